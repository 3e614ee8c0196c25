//! A task that blocks its thread holds up nobody but itself.

use std::time::{Duration, Instant};

use metropolis::Client;

use crate::parts::{Parts, on_both_buses, serving};

#[metropolis::task(subject = "stalls.blocks")]
async fn blocks() {
    std::thread::sleep(Duration::from_millis(200));
}

#[metropolis::task(subject = "stalls.waits.then.blocks")]
async fn waits_then_blocks() {
    tokio::time::sleep(Duration::from_millis(5)).await;
    std::thread::sleep(Duration::from_millis(200));
}

#[metropolis::task(subject = "stalls.apart", blocking)]
fn apart() -> String {
    std::thread::sleep(Duration::from_millis(200));
    std::thread::current().name().unwrap_or_default().to_owned()
}

#[metropolis::task(subject = "stalls.quick")]
async fn quick() {}

/// How long the slowest of many quick calls took, while `stall` keeps going on.
async fn slowest_quick_call(
    client: &Client,
    stall: impl Future<Output = ()> + Send + 'static,
) -> Duration {
    let stall = tokio::spawn(stall);
    let mut slowest = Duration::ZERO;
    while !stall.is_finished() {
        let start = Instant::now();
        client.call::<quick>(&()).await.unwrap();
        slowest = slowest.max(start.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stall.await.unwrap();
    slowest
}

/// What may be lost to a machine that is busy with something else. A stall of ours would show in every attempt: each has
/// a worker of its own, which knows nothing of its tasks yet.
const ATTEMPTS: usize = 10;
const BEARABLE: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_blocks_for_200_ms_delays_no_other_past_20_ms() {
    let tasks = serving::<blocks>().and::<waits_then_blocks>();
    let tasks = tasks.and::<apart>().and::<quick>();
    on_both_buses([tasks], async |parts| {
        let mut attempts = Vec::new();
        while attempts.len() < ATTEMPTS {
            let slowest = slowest_beside_blocking_tasks(parts).await;
            if slowest.iter().all(|slowest| *slowest < BEARABLE) {
                return;
            }
            attempts.push(slowest);
        }
        panic!("one at a time, then all at once: {attempts:?}");
    })
    .await;
}

async fn slowest_beside_blocking_tasks(parts: &Parts) -> [Duration; 2] {
    let worker = parts.worker().start().await.unwrap();
    let client = parts.client();
    client.call::<quick>(&()).await.unwrap();

    let caller = client.clone();
    let one_by_one = slowest_quick_call(&client, async move {
        for _ in 0..3 {
            caller.call::<blocks>(&()).await.unwrap();
            caller.call::<waits_then_blocks>(&()).await.unwrap();
            caller.call::<apart>(&()).await.unwrap();
        }
    })
    .await;

    // By now the tasks are known to be slow, so that any number of them at once is bearable.
    let caller = client.clone();
    let all_at_once = slowest_quick_call(&client, async move {
        let calls = (0..4).map(|_| caller.call::<blocks>(&()).into_future());
        let later = (0..4).map(|_| caller.call::<waits_then_blocks>(&()).into_future());
        for ended in futures_util::future::join_all(calls.chain(later)).await {
            ended.unwrap();
        }
    })
    .await;
    worker.stop().await;
    [one_by_one, all_at_once]
}

#[tokio::test]
async fn a_blocking_task_runs_on_threads_of_its_own() {
    on_both_buses([serving::<apart>().and::<quick>()], async |parts| {
        let worker = parts.worker().start().await.unwrap();
        let client = parts.client();
        // One thread runs this test, the worker and the bus: were the task on it, nothing else could go on.
        let caller = client.clone();
        let slowest = slowest_quick_call(&client, async move {
            caller.call::<apart>(&()).await.unwrap();
        });
        let slowest = slowest.await;
        assert!(slowest < Duration::from_millis(100), "{slowest:?}");
        worker.stop().await;
    })
    .await;
}
