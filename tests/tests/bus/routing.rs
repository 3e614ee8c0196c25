//! Which subscriptions a message reaches.

use metropolis::bus::{Bus, Subscription};

use crate::parties::{ROOM, count_until_end, message, next, on_every_bus, publish, queue};

/// Which of some subjects, published in order, a filter receives. The last one must be among them.
async fn matched(bus: &Bus, received: &mut Subscription, subjects: &[&str]) -> Vec<String> {
    for subject in subjects {
        bus.publish(message(subject, ""), crate::parties::soon())
            .await
            .unwrap();
    }
    let mut matched = Vec::new();
    while matched.last().map(String::as_str) != subjects.last().copied() {
        matched.push(next(received).await.subject.to_string());
    }
    matched
}

#[tokio::test]
async fn filters_match_whole_tokens() {
    on_every_bus(async |one, other| {
        let cases: &[(&str, &[&str], &[&str])] = &[
            (
                "a.*",
                &["a", "a.b.c", "b.b", "A.b", "ax.b", "a.b"],
                &["a.b"],
            ),
            ("a.>", &["a", "b.a", "a.x.y", "a.b"], &["a.x.y", "a.b"]),
            ("*.b", &["a.b.c", "b", "x.b", "a.b"], &["x.b", "a.b"]),
            ("a.*.c", &["a.c", "a.b.b.c", "a.b.c"], &["a.b.c"]),
            ("a.b", &["a", "a.B", "a.b.c", "a.b"], &["a.b"]),
            // Inside a token the wildcards are letters like others.
            ("a*.b>", &["ax.bx", "a*.b", "a*.b>"], &["a*.b>"]),
        ];
        for (filter, subjects, expected) in cases {
            let mut received = other.subscribe(filter, None, ROOM).await.unwrap();
            assert_eq!(
                matched(&one, &mut received, subjects).await,
                *expected,
                "{filter}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn wrong_filters_are_refused() {
    on_every_bus(async |one, _| {
        for filter in [
            "",
            ".",
            "a..b",
            ">.a",
            "a b",
            "a\r\nb",
            "a.\t",
            &"x".repeat(1025),
        ] {
            assert!(
                one.subscribe(filter, None, ROOM).await.is_err(),
                "{filter:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn overlapping_subscriptions_get_a_copy_each() {
    on_every_bus(async |one, other| {
        let mut received = Vec::new();
        for filter in ["a.b", "a.b", "a.*", ">"] {
            received.push(other.subscribe(filter, None, ROOM).await.unwrap());
        }
        publish(&one, message("a.b", "copy")).await;
        for subscription in &mut received {
            while next(subscription).await.payload != "copy" {}
        }
    })
    .await;
}

#[tokio::test]
async fn each_queue_gets_one_copy_beside_the_plain_subscriptions() {
    on_every_bus(async |one, other| {
        let (q, r) = (queue("q"), queue("r"));
        let groups = [Some(&q), Some(&q), Some(&r), Some(&r), None];
        let mut received = Vec::new();
        for (at, group) in groups.into_iter().enumerate() {
            let bus = if at % 2 == 0 { &one } else { &other };
            received.push(bus.subscribe("work", group, ROOM).await.unwrap());
        }
        for number in 0..100 {
            one.publish(message("work", number.to_string()), crate::parties::soon())
                .await
                .unwrap();
        }
        let counts = counts(&one, &other, &mut received).await;
        assert_eq!(
            (counts[0] + counts[1], counts[2] + counts[3], counts[4]),
            (100, 100, 100)
        );
    })
    .await;
}

#[tokio::test]
async fn a_queue_is_one_group_across_filters() {
    on_every_bus(async |one, other| {
        let group = queue("q");
        let mut received = Vec::new();
        for filter in ["a.b", "a.*", "a.>"] {
            received.push(other.subscribe(filter, Some(&group), ROOM).await.unwrap());
        }
        for _ in 0..50 {
            one.publish(message("a.b", ""), crate::parties::soon())
                .await
                .unwrap();
        }
        assert_eq!(
            counts(&one, &other, &mut received)
                .await
                .iter()
                .sum::<usize>(),
            50
        );
    })
    .await;
}

#[tokio::test]
async fn every_member_of_a_queue_is_reached() {
    on_every_bus(async |one, other| {
        let group = queue("q");
        let mut received = Vec::new();
        for at in 0..4 {
            let bus = if at % 2 == 0 { &one } else { &other };
            received.push(bus.subscribe("work", Some(&group), ROOM).await.unwrap());
        }
        for _ in 0..1000 {
            one.publish(message("work", ""), crate::parties::soon())
                .await
                .unwrap();
        }
        let counts = counts(&one, &other, &mut received).await;
        assert_eq!(counts.iter().sum::<usize>(), 1000);
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    })
    .await;
}

#[tokio::test]
async fn what_a_bus_publishes_comes_back_to_it() {
    on_every_bus(async |one, _| {
        let mut received = one.subscribe("echo.own", None, ROOM).await.unwrap();
        assert_eq!(count_until_end(&one, "echo.own", &mut received).await, 0);
    })
    .await;
}

/// What each subscription holds, once everything published has arrived at both parties.
async fn counts(one: &Bus, other: &Bus, received: &mut [Subscription]) -> Vec<usize> {
    // The publisher's fence says that the server has passed everything on, the receiver's that it was read.
    one.fence(crate::parties::soon()).await.unwrap();
    other.fence(crate::parties::soon()).await.unwrap();
    received
        .iter_mut()
        .map(|subscription| std::iter::from_fn(|| subscription.try_next()).count())
        .collect()
}
