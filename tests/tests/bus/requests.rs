//! Requests and their answers, down to those that come too late, twice or from strangers.

use std::time::Duration;

use futures_util::future::join_all;
use metropolis::bus::{Outgoing, RequestError};
use metropolis_tests::eventually;

use crate::parties::{
    Echo, PATIENCE, ROOM, after, answer, message, next, on_every_bus, queue, soon, subject,
    with_headers,
};

#[tokio::test]
async fn a_request_is_answered_with_payload_and_headers() {
    on_every_bus(async |one, other| {
        let _echo = Echo::start(
            &other,
            other
                .subscribe("echo", Some(&queue("q")), ROOM)
                .await
                .unwrap(),
        );
        let request = with_headers(message("echo", "hello"), &[("X-Name", "value")]);
        let reply = one.request(request, soon()).await.unwrap();
        assert_eq!(reply.payload, "hello");
        assert_eq!(reply.headers.get("X-Name"), Some("value"));
        assert_eq!(one.counters().in_flight, 0);
    })
    .await;
}

#[tokio::test]
async fn one_bus_answers_its_own_requests() {
    on_every_bus(async |one, _| {
        let _echo = Echo::start(&one, one.subscribe("self", None, ROOM).await.unwrap());
        assert_eq!(
            one.request(message("self", "x"), soon())
                .await
                .unwrap()
                .payload,
            "x"
        );
    })
    .await;
}

#[tokio::test]
async fn every_request_of_a_storm_gets_its_own_answer() {
    on_every_bus(async |one, other| {
        let _echo = Echo::start(&other, other.subscribe("storm", None, ROOM).await.unwrap());
        // Slots are used again in every round; a mix-up would show in the payload.
        for round in 0..10 {
            let requests = (0..200).map(|number| {
                let (one, payload) = (one.clone(), format!("{round}/{number}"));
                async move {
                    let reply = one
                        .request(message("storm", payload.clone()), soon())
                        .await
                        .unwrap();
                    assert_eq!(reply.payload, payload);
                }
            });
            join_all(requests).await;
        }
        let counters = one.counters();
        assert_eq!((counters.in_flight, counters.late_replies), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_dropped_request_frees_its_place_and_its_answer_is_counted() {
    on_every_bus(async |one, other| {
        let mut requests = other.subscribe("slow", None, ROOM).await.unwrap();
        let request = tokio::spawn({
            let one = one.clone();
            async move { one.request(message("slow", "x"), soon()).await }
        });
        let received = next(&mut requests).await;
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        assert_eq!(one.counters().in_flight, 0);
        answer(&other, received).await;
        eventually(PATIENCE, async || one.counters().late_replies == 1).await;
    })
    .await;
}

#[tokio::test]
async fn an_answer_after_the_deadline_is_late() {
    on_every_bus(async |one, other| {
        let mut requests = other.subscribe("slow", None, ROOM).await.unwrap();
        let result = one
            .request(message("slow", "x"), after(Duration::from_millis(30)))
            .await;
        assert_eq!(result.unwrap_err(), RequestError::TimedOut);
        assert_eq!(one.counters().in_flight, 0);
        answer(&other, next(&mut requests).await).await;
        eventually(PATIENCE, async || one.counters().late_replies == 1).await;
    })
    .await;
}

#[tokio::test]
async fn duplicate_and_forged_answers_are_counted_and_reach_nobody() {
    on_every_bus(async |one, other| {
        let mut requests = other.subscribe("victim", None, ROOM).await.unwrap();
        let request = tokio::spawn({
            let one = one.clone();
            async move { one.request(message("victim", "x"), soon()).await }
        });
        let received = next(&mut requests).await;
        let reply = received.reply.clone().unwrap();
        for forged in forgeries(reply.as_str()) {
            other
                .publish(message(&forged, "forged"), soon())
                .await
                .unwrap();
        }
        let twice = Outgoing {
            payload: "true".into(),
            ..Outgoing::empty(reply)
        };
        other.publish(twice.clone(), soon()).await.unwrap();
        other.publish(twice, soon()).await.unwrap();
        assert_eq!(request.await.unwrap().unwrap().payload, "true");
        eventually(PATIENCE, async || one.counters().late_replies == 4).await;
        assert_eq!(one.counters().in_flight, 0);
    })
    .await;
}

/// The same slot under another number, another slot, and no token at all.
fn forgeries(reply: &str) -> [String; 3] {
    let (prefix, token) = reply.rsplit_once('.').unwrap();
    let (nonce, slot) = token.split_at(16);
    [
        format!("{prefix}.{}{slot}", "0".repeat(16)),
        format!("{prefix}.{nonce}ffffffff"),
        format!("{prefix}.x"),
    ]
}

#[tokio::test]
async fn a_stranger_sees_answers_only_on_the_inbox_it_can_name() {
    on_every_bus(async |one, other| {
        let _echo = Echo::start(&other, other.subscribe("echo", None, ROOM).await.unwrap());
        let mut everything = other.subscribe(">", None, ROOM).await.unwrap();
        one.request(message("echo", "x"), soon()).await.unwrap();
        // The request, and the answer as a copy: a subscriber of everything hears everything.
        let request = loop {
            let heard = next(&mut everything).await;
            if heard.subject == subject("echo") {
                break heard;
            }
        };
        let reply = request.reply.unwrap();
        while next(&mut everything).await.subject != reply {}
    })
    .await;
}
