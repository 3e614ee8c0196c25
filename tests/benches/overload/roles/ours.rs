//! The worker as it is written with metropolis. The gateway beside it is the program that users install.

use std::future::pending;

use metropolis::{Bus, NatsOptions, Worker};
use metropolis_tests::measure::player::ready;
use tokio::time::sleep;

use super::{LONGER, Ping, WAIT, WORK, compute};

#[metropolis::task(subject = "bench.cheap")]
async fn cheap(ping: Ping) -> Ping {
    ping
}

#[metropolis::task(subject = "bench.waits", concurrency = 16)]
async fn waits(ping: Ping) -> Ping {
    sleep(WAIT).await;
    ping
}

#[metropolis::task(subject = "bench.works")]
async fn works(ping: Ping) -> Ping {
    compute(WORK, &ping);
    ping
}

#[metropolis::task(subject = "bench.works-longer")]
async fn works_longer(ping: Ping) -> Ping {
    compute(LONGER, &ping);
    ping
}

pub(super) async fn worker(nats_url: &str) {
    let bus = Bus::connect(NatsOptions::new(nats_url, "worker")).await;
    let worker = Worker::new(bus.expect("the server listens"));
    let running = worker.start().await.expect("the tasks have no problems");
    ready(None);
    pending::<()>().await;
    drop(running);
}
