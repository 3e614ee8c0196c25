#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use bytes::Bytes;

use crate::wire::Headers;

fn answer() -> Answer {
    Answer {
        headers: Headers::new(),
        payload: Bytes::from_static(b"answer"),
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[tokio::test]
async fn the_first_answer_wins_and_frees_the_slot() {
    let mux = Mux::new("test");
    let (pending, reply) = mux.open(soon(), None, None).unwrap();
    assert!(mux.owns(&reply));
    mux.complete(&reply, answer());
    mux.complete(&reply, answer());
    assert_eq!(pending.await.unwrap().payload, "answer");
    mux.complete(&reply, answer());
    assert_eq!((mux.in_flight(), mux.late()), (0, 2));
}

#[tokio::test]
async fn an_old_reply_subject_does_not_answer_the_next_request() {
    let mux = Mux::new("test");
    let (_, old) = mux.open(soon(), None, None).unwrap();
    let (pending, reply) = mux.open(soon(), None, None).unwrap();
    mux.complete(&old, answer());
    assert_eq!(mux.late(), 1);
    mux.fail(reply.as_bytes(), RequestError::NoResponders);
    assert_eq!(pending.await.unwrap_err(), RequestError::NoResponders);
}

#[tokio::test]
async fn a_reply_subject_names_the_trace_it_is_given_and_is_answered_as_any() {
    let mux = Mux::new("test");
    let trace = TraceId::random();
    let (pending, reply) = mux.open(soon(), None, Some(trace)).unwrap();
    assert_eq!(TraceId::of_reply(reply.as_bytes()), Some(trace));
    mux.complete(&reply, answer());
    assert_eq!(pending.await.unwrap().payload, "answer");

    let foreign = TraceId::from_bytes([7; 16]);
    let (_, reply) = mux.open(soon(), None, foreign).unwrap();
    assert_eq!(TraceId::of_reply(reply.as_bytes()), None);
}

#[tokio::test]
async fn foreign_subjects_below_the_prefix_are_counted() {
    let mux = Mux::new("test");
    for token in ["x", "ffffffffffffffffffffffff", "a.b"] {
        let subject = format!("{}{token}", mux.prefix);
        mux.complete(&Subject::parse(subject).unwrap(), answer());
    }
    mux.fail(b"short", RequestError::NoResponders);
    assert_eq!(mux.late(), 4);
}

#[tokio::test]
async fn a_request_nobody_answers_times_out_and_the_sweeper_sleeps() {
    let mux = Mux::new("test");
    let (pending, _) = mux
        .open(Instant::now() + Duration::from_millis(30), None, None)
        .unwrap();
    assert_eq!(pending.await.unwrap_err(), RequestError::TimedOut);
    assert_eq!(mux.in_flight(), 0);
    // Nothing else holds the mux once its sweeper has ended.
    let deadline = soon();
    while Arc::strong_count(&mux) > 1 {
        assert!(
            Instant::now() < deadline,
            "the sweeper goes on with nothing to sweep"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (again, _) = mux
        .open(Instant::now() + Duration::from_millis(30), None, None)
        .unwrap();
    assert_eq!(again.await.unwrap_err(), RequestError::TimedOut);
}

#[tokio::test]
async fn a_lost_connection_fails_long_waits_soon() {
    let mux = Mux::new("test");
    let (pending, _) = mux
        .open(Instant::now() + Duration::from_secs(3600), None, None)
        .unwrap();
    mux.connection_lost();
    let waited = tokio::time::timeout(Duration::from_secs(5), pending).await;
    assert_eq!(waited.unwrap().unwrap_err(), RequestError::ConnectionLost);
}

#[tokio::test]
async fn no_more_requests_than_the_bound_and_none_once_closed() {
    let mux = Mux::new("test");
    let mut pending: Vec<_> = (0..IN_FLIGHT_MAX)
        .map(|_| mux.open(soon(), None, None).unwrap().0)
        .collect();
    assert_eq!(
        mux.open(soon(), None, None).unwrap_err(),
        RequestError::Overloaded
    );
    pending.truncate(1);
    assert_eq!(mux.in_flight(), 1);
    mux.close();
    assert_eq!(
        pending.remove(0).await.unwrap_err(),
        RequestError::ConnectionLost
    );
    assert_eq!(
        mux.open(soon(), None, None).unwrap_err(),
        RequestError::NotConnected
    );
}
