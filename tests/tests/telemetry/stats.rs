//! The same numbers in `STATS`: what a task did, how long it took, and whom it called.

use std::time::Duration;

use metropolis::service::{self, Stats, gather};
use metropolis::subject::Subject;
use metropolis::{Bus, Client, Context, Worker};
use metropolis_tests::eventually;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::SOON;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Wish {
    fails: bool,
}

#[metropolis::task(subject = "stats.inner")]
async fn inner(wish: Wish) -> Result<(), metropolis::Fault> {
    match wish.fails {
        true => Err(metropolis::Fault::new(
            409,
            "as_wished",
            "it fails as wished",
        )),
        false => Ok(()),
    }
}

#[metropolis::task(subject = "stats.outer", concurrency = 3, timeout = "3s")]
async fn outer(ctx: &Context, wish: Wish) -> Result<(), metropolis::Fault> {
    ctx.publish::<inner>(&Wish { fails: false }).await?;
    Ok(ctx.call::<inner>(&wish).await?)
}

#[metropolis::task(subject = "stats.stays", concurrency = 1)]
async fn stays() {
    std::future::pending::<()>().await;
}

async fn stats(bus: &Bus) -> Vec<(String, Value)> {
    let question = Subject::parse(service::STATS.to_owned()).unwrap();
    let answers = gather(bus, question, Duration::from_millis(50))
        .await
        .unwrap();
    let stats: Stats = serde_json::from_slice(&answers[0].payload).unwrap();
    let endpoints = stats.endpoints.into_iter();
    endpoints
        .map(|endpoint| (endpoint.name, endpoint.data.unwrap()))
        .collect()
}

async fn of(bus: &Bus, task: &str) -> Value {
    let stats = stats(bus).await.into_iter();
    stats.into_iter().find(|(name, _)| name == task).unwrap().1
}

#[tokio::test]
async fn a_task_tells_its_limits_its_faults_its_times_and_whom_it_called() {
    let bus = Bus::embedded();
    let worker = Worker::new(bus.clone()).serve::<inner>().serve::<outer>();
    let worker = worker.with_service("stats").start().await.unwrap();
    let client = Client::new(bus.clone());
    client.call::<outer>(&Wish { fails: false }).await.unwrap();
    client
        .call::<outer>(&Wish { fails: true })
        .await
        .unwrap_err();
    eventually(SOON, async || {
        of(&bus, "inner").await["faults"] == json!({"as_wished": 1})
    })
    .await;
    let data = of(&bus, "outer").await;
    assert_eq!(data["faults"], json!({"as_wished": 1}));
    assert_eq!(data["calls"], json!({"stats.inner": 4}));
    assert_eq!(
        (&data["concurrency"], &data["timeout_ms"]),
        (&json!(3), &json!(3000))
    );
    assert_eq!(
        (&data["paused"], &data["waiting"]),
        (&json!(false), &json!(0))
    );
    for times in ["latency_ms", "queue_age_ms"] {
        for share in ["p50", "p95", "p99"] {
            let ms = data[times][share].as_f64().unwrap();
            assert!(ms > 0.0 && ms < 10_000.0, "{data}");
        }
    }
    worker.stop().await;
}

#[tokio::test]
async fn what_runs_waits_and_is_turned_away_is_told_apart() {
    let bus = Bus::embedded();
    let worker = Worker::new(bus.clone()).serve::<stays>().without_metrics();
    let worker = worker.with_service("stats").start().await.unwrap();
    let client = Client::new(bus.clone());
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let client = client.clone();
        calls.spawn(async move { client.call::<stays>(&()).await });
    }
    // One runs, one waits, and there is no place for the third.
    assert!(calls.join_next().await.unwrap().unwrap().is_err());
    let data = of(&bus, "stays").await;
    assert_eq!(
        (&data["in_flight"], &data["waiting"], &data["busy"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(
        data["latency_ms"],
        json!({"p50": null, "p95": null, "p99": null}),
        "it measures nothing"
    );
    drop(worker);
}
