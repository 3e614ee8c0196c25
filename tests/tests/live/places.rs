//! The number of places changes while they are taken and while messages wait for them.

use super::*;

/// Stands at the gate.
#[metropolis::task(subject = "live.stand", concurrency = 4, timeout = "30s")]
async fn stand(gate: &Gate) -> u32 {
    gate.pass().await;
    1
}

#[tokio::test]
async fn fewer_places_let_go_what_runs_and_more_are_taken_at_once_by_what_waits() {
    let bus = Bus::embedded();
    let gate = Gate::new();
    let worker = Worker::new(bus.clone()).serve::<stand>();
    let worker = worker.provide(gate.clone()).start().await.unwrap();
    let client = Client::new(bus);
    let places = async |count: usize| {
        let document = format!(r#"{{"tasks": {{"stand": {{"concurrency": {count}}}}}}}"#);
        worker.apply(&document).await.unwrap();
    };
    // Four run, four wait.
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.call::<stand>(&()).await })
        })
        .collect();
    gate.has_seen(4).await;
    places(1).await;
    // The places that are too many are given up one by one, and the last is handed on.
    gate.open(4);
    gate.has_seen(5).await;
    gate.open(1);
    gate.has_seen(6).await;
    // Two wait still, and begin when there is room.
    places(16).await;
    gate.has_seen(8).await;
    gate.open(3);
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), 1);
    }
    worker.stop().await;
}

#[tokio::test]
async fn callers_past_the_places_of_now_are_told_to_come_back() {
    let bus = Bus::embedded();
    let gate = Gate::new();
    let worker = Worker::new(bus.clone()).serve::<stand>();
    let worker = worker.provide(gate.clone()).start().await.unwrap();
    let document = r#"{"tasks": {"stand": {"concurrency": 1}}}"#;
    worker.apply(document).await.unwrap();
    let client = Client::new(bus);
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.call::<stand>(&()).await })
        })
        .collect();
    gate.has_seen(1).await;
    gate.open(2);
    let mut outcomes = Vec::new();
    for call in calls {
        outcomes.push(call.await.unwrap().map_err(|error| error.to_string()));
    }
    let served = outcomes.iter().filter(|outcome| **outcome == Ok(1)).count();
    assert_eq!(served, 2, "{outcomes:?}");
    worker.stop().await;
}
