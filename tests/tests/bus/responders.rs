//! When a request is told that nobody answers, and when it is not.

use std::time::Duration;

use futures_util::future::join_all;
use metropolis::bus::{Outgoing, RequestError};
use metropolis_tests::eventually;

use crate::parties::{
    Echo, PATIENCE, ROOM, after, message, next, on_every_bus, publish, queue, soon, subject,
};

#[tokio::test]
async fn nobody_is_there() {
    on_every_bus(async |one, _| {
        let results = join_all((0..50).map(|_| one.request(message("nobody", "x"), soon()))).await;
        assert!(
            results
                .into_iter()
                .all(|result| result.unwrap_err() == RequestError::NoResponders)
        );
        let counters = one.counters();
        assert_eq!((counters.in_flight, counters.late_replies), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn the_last_one_has_left() {
    on_every_bus(async |one, other| {
        let subscription = other
            .subscribe("brief", Some(&queue("q")), ROOM)
            .await
            .unwrap();
        let echo = Echo::start(&other, subscription);
        one.request(message("brief", "x"), soon()).await.unwrap();
        drop(echo);
        eventually(PATIENCE, async || {
            let result = one
                .request(message("brief", "x"), after(Duration::from_millis(500)))
                .await;
            matches!(result, Err(RequestError::NoResponders))
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_subscriber_that_matches_by_wildcard_counts() {
    on_every_bus(async |one, other| {
        let _echo = Echo::start(&other, other.subscribe("wild.>", None, ROOM).await.unwrap());
        one.request(message("wild.card", "x"), soon())
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_member_that_does_not_take_its_messages_counts() {
    on_every_bus(async |one, other| {
        let _full = other.subscribe("full", Some(&queue("q")), 1).await.unwrap();
        for _ in 0..3 {
            let result = one
                .request(message("full", "x"), after(Duration::from_millis(50)))
                .await;
            assert_eq!(result.unwrap_err(), RequestError::TimedOut);
        }
    })
    .await;
}

#[tokio::test]
async fn a_plain_publish_is_told_nothing() {
    on_every_bus(async |one, _| {
        let mut inbox = one.subscribe("_INBOX_mine.1", None, ROOM).await.unwrap();
        publish(&one, message("nobody", "x")).await;
        let reply = Some(subject("_INBOX_mine.1"));
        publish(
            &one,
            Outgoing {
                reply,
                ..message("nobody", "x")
            },
        )
        .await;
        publish(&one, message("_INBOX_mine.1", "only this")).await;
        assert_eq!(next(&mut inbox).await.payload, "only this");
    })
    .await;
}
