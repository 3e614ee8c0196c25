//! Order, what late-comers miss, what a full subscription loses, and closing.

use metropolis::bus::{CAPACITY_MAX, PublishError, RequestError, SubscribeError};
use metropolis_tests::{eventually, within};

use crate::parties::{PATIENCE, ROOM, count_until_end, message, next, on_every_bus, publish, soon};

#[tokio::test]
async fn messages_of_one_publisher_keep_their_order() {
    on_every_bus(async |one, other| {
        let mut received = other.subscribe("order", None, ROOM).await.unwrap();
        for number in 0..1000 {
            one.publish(message("order", number.to_string()), soon())
                .await
                .unwrap();
        }
        for number in 0..1000 {
            assert_eq!(next(&mut received).await.payload, number.to_string());
        }
    })
    .await;
}

#[tokio::test]
async fn a_subscription_is_active_when_it_is_there_and_sees_nothing_older() {
    on_every_bus(async |one, other| {
        for round in 0..20 {
            let subject = format!("late.{round}");
            publish(&one, message(&subject, "before")).await;
            let mut received = other.subscribe(&subject, None, ROOM).await.unwrap();
            one.publish(message(&subject, "after"), soon())
                .await
                .unwrap();
            assert_eq!(next(&mut received).await.payload, "after");
        }
    })
    .await;
}

/// Exact on the embedded bus; the client of NATS tells of some drops only, so there it is "noticed, and no fewer came".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_subscription_drops_the_newest_and_counts() {
    on_every_bus(async |one, other| {
        let sent = CAPACITY_MAX as u64 + 5000;
        let mut received = other.subscribe("flood", None, CAPACITY_MAX).await.unwrap();
        for number in 0..sent {
            one.publish(message("flood", number.to_string()), soon())
                .await
                .unwrap();
        }
        one.fence(soon()).await.unwrap();
        other.fence(soon()).await.unwrap();
        eventually(PATIENCE, async || other.counters().dropped > 0).await;
        let mut count = 0;
        while let Some(message) = received.try_next() {
            // The oldest are kept, so the numbers have no gap.
            assert_eq!(message.payload, count.to_string());
            count += 1;
        }
        assert_eq!(count, CAPACITY_MAX as u64);
        assert!(count + other.counters().dropped <= sent);
        assert!(!other.is_embedded() || count + other.counters().dropped == sent);
        // What comes once there is room again arrives.
        assert_eq!(count_until_end(&one, "flood", &mut received).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_closed_bus_has_sent_everything_and_does_nothing_more() {
    on_every_bus(async |one, other| {
        let mut received = other.subscribe("last", None, ROOM).await.unwrap();
        for _ in 0..100 {
            one.publish(message("last", "words"), soon()).await.unwrap();
        }
        let mut own = one.subscribe("own", None, ROOM).await.unwrap();
        let waiting = tokio::spawn({
            let one = one.clone();
            async move { one.request(message("own", "x"), soon()).await }
        });
        eventually(PATIENCE, async || one.counters().in_flight == 1).await;
        one.close(soon()).await;
        assert_eq!(
            waiting.await.unwrap().unwrap_err(),
            RequestError::ConnectionLost
        );
        assert_eq!(next(&mut own).await.payload, "x");
        assert!(within(PATIENCE, own.next()).await.is_none());
        assert!(!one.is_connected());
        assert_eq!(
            one.publish(message("last", ""), soon()).await,
            Err(PublishError::NotConnected)
        );
        assert_eq!(
            one.request(message("last", ""), soon()).await.unwrap_err(),
            RequestError::NotConnected
        );
        assert_eq!(
            one.subscribe("x", None, 1).await.unwrap_err(),
            SubscribeError::NotConnected
        );
        assert_eq!(
            one.fence(soon()).await.unwrap_err(),
            RequestError::NotConnected
        );
        for _ in 0..100 {
            assert_eq!(next(&mut received).await.payload, "words");
        }
    })
    .await;
}
