//! The worker that is asked for too much: this binary with a role and the address of a server.

use std::hint::black_box;
use std::time::Duration;

use metropolis::{Bus, NatsOptions, Worker};
use metropolis_tests::measure::Player;
use metropolis_tests::measure::player::ready;
use rustix::time::{ClockId, clock_gettime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Ping {
    id: u64,
    text: String,
}

#[metropolis::task(subject = "bench.cheap")]
async fn cheap(ping: Ping) -> Ping {
    ping
}

#[metropolis::task(subject = "bench.waits", concurrency = 16)]
async fn waits(ping: Ping) -> Ping {
    sleep(Duration::from_millis(2)).await;
    ping
}

#[metropolis::task(subject = "bench.works")]
async fn works(ping: Ping) -> Ping {
    compute(Duration::from_micros(200), &ping);
    ping
}

#[metropolis::task(subject = "bench.works-longer")]
async fn works_longer(ping: Ping) -> Ping {
    compute(Duration::from_millis(1), &ping);
    ping
}

/// Takes so much time of a core. What passes while others have the core does not count.
fn compute(time: Duration, ping: &Ping) {
    let end = processor_time() + time;
    while processor_time() < end {
        black_box(ping);
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().expect("no time is negative")
}

/// Starts the worker and waits until it serves.
pub(crate) async fn worker(nats_url: &str) -> Player {
    Player::role(&[nats_url]).await
}

#[tokio::main]
pub(crate) async fn play(words: &[String]) {
    let [nats_url] = words else {
        panic!("the URL of a server is needed, not {words:?}");
    };
    let bus = Bus::connect(NatsOptions::new(nats_url, "worker")).await;
    let worker = Worker::new(bus.expect("the server listens"));
    let running = worker.start().await.expect("the tasks have no problems");
    ready(None);
    std::future::pending::<()>().await;
    drop(running);
}
