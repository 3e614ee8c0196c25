//! Headers arrive as they were written.

use crate::parties::{ROOM, message, next, on_every_bus, publish, with_headers};

#[tokio::test]
async fn case_repeats_and_empty_values_are_kept() {
    on_every_bus(async |one, other| {
        let mut received = other.subscribe("headers", None, ROOM).await.unwrap();
        let sent = [
            ("X-Many", "one"),
            ("X-Many", "two"),
            ("x-many", "lower"),
            ("Empty", ""),
        ];
        publish(&one, with_headers(message("headers", ""), &sent)).await;
        let headers = next(&mut received).await.headers;
        let of = |wanted: &str| -> Vec<String> {
            headers
                .iter()
                .filter(|(name, _)| *name == wanted)
                .map(|(_, value)| value.to_owned())
                .collect()
        };
        assert_eq!(of("X-Many"), ["one", "two"]);
        assert_eq!(of("x-many"), ["lower"]);
        assert_eq!(of("Empty"), [""]);
        assert_eq!(headers.iter().count(), 4);
    })
    .await;
}

#[tokio::test]
async fn blanks_around_a_value_are_lost_and_those_within_are_kept() {
    on_every_bus(async |one, other| {
        let mut received = other.subscribe("headers", None, ROOM).await.unwrap();
        publish(
            &one,
            with_headers(
                message("headers", ""),
                &[
                    ("X", " \ta  b: c \t"),
                    ("Wide", "\u{a0}\u{3000}a\u{a0}b\u{2028}"),
                ],
            ),
        )
        .await;
        let message = next(&mut received).await;
        assert_eq!(message.headers.get("X"), Some("a  b: c"));
        assert_eq!(message.headers.get("Wide"), Some("a\u{a0}b"));
    })
    .await;
}

#[tokio::test]
async fn long_and_non_ascii_values_arrive() {
    on_every_bus(async |one, other| {
        let mut received = other.subscribe("headers", None, ROOM).await.unwrap();
        let long = "x".repeat(8 * 1024);
        publish(
            &one,
            with_headers(
                message("headers", "p"),
                &[("Long", &long), ("Text", "größer € 日本")],
            ),
        )
        .await;
        let message = next(&mut received).await;
        assert_eq!(message.headers.get("Long"), Some(long.as_str()));
        assert_eq!(message.headers.get("Text"), Some("größer € 日本"));
        assert_eq!(message.payload, "p");
    })
    .await;
}

#[tokio::test]
async fn a_message_without_headers_has_none() {
    on_every_bus(async |one, other| {
        let mut received = other.subscribe("headers", None, ROOM).await.unwrap();
        publish(&one, message("headers", "")).await;
        assert!(next(&mut received).await.headers.is_empty());
    })
    .await;
}
