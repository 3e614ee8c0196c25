//! How large a message may be.

use metropolis::bus::{Outgoing, PublishError, RequestError};

use crate::parties::{ROOM, message, next, on_every_bus, publish, soon, subject, with_headers};

const MEBIBYTE: usize = 1024 * 1024;

#[tokio::test]
async fn payloads_up_to_the_limit_arrive() {
    on_every_bus(async |one, other| {
        assert_eq!(one.payload_max(), MEBIBYTE);
        let mut received = other.subscribe("big", None, ROOM).await.unwrap();
        for size in [0, 1, MEBIBYTE - 1, MEBIBYTE] {
            publish(&one, message("big", vec![b'x'; size])).await;
            assert_eq!(next(&mut received).await.payload.len(), size);
        }
    })
    .await;
}

#[tokio::test]
async fn a_payload_past_the_limit_is_refused_before_it_is_sent() {
    on_every_bus(async |one, _| {
        let size = MEBIBYTE + 1;
        let too_large = message("big", vec![b'x'; size]);
        let refused = one.publish(too_large.clone(), soon()).await.unwrap_err();
        assert_eq!(
            refused,
            PublishError::TooLarge {
                size,
                max: MEBIBYTE
            }
        );
        let refused = one.request(too_large, soon()).await.unwrap_err();
        assert_eq!(
            refused,
            RequestError::TooLarge {
                size,
                max: MEBIBYTE
            }
        );
        assert!(one.is_connected());
    })
    .await;
}

#[tokio::test]
async fn headers_count_towards_the_limit() {
    on_every_bus(async |one, other| {
        let mut received = other.subscribe("big", None, ROOM).await.unwrap();
        let headers = &[("Name", "value"), ("Name", "other"), ("Empty", "")];
        let block = with_headers(message("big", ""), headers).headers.wire_len();
        let exact = with_headers(message("big", vec![b'x'; MEBIBYTE - block]), headers);
        publish(&one, exact).await;
        assert_eq!(next(&mut received).await.payload.len(), MEBIBYTE - block);
        let over = with_headers(message("big", vec![b'x'; MEBIBYTE - block + 1]), headers);
        let refused = one.publish(over, soon()).await.unwrap_err();
        assert_eq!(
            refused,
            PublishError::TooLarge {
                size: MEBIBYTE + 1,
                max: MEBIBYTE
            }
        );
        one.fence(soon()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn subject_and_reply_are_limited_together() {
    on_every_bus(async |one, other| {
        let long = "s".repeat(1000);
        let mut received = other.subscribe(&long, None, ROOM).await.unwrap();
        let fits = Outgoing {
            reply: Some(subject(&"r".repeat(24))),
            ..message(&long, "")
        };
        publish(&one, fits.clone()).await;
        assert_eq!(next(&mut received).await.reply, fits.reply);
        let over = Outgoing {
            reply: Some(subject(&"r".repeat(25))),
            ..fits
        };
        assert_eq!(
            one.publish(over, soon()).await.unwrap_err(),
            PublishError::SubjectTooLong
        );
        let request = one.request(message(&long, ""), soon()).await;
        assert_eq!(request.unwrap_err(), RequestError::SubjectTooLong);
        assert!(one.is_connected());
    })
    .await;
}
