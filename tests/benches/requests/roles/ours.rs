//! The same work as tasks.

use std::time::Duration;

use metropolis::{Bus, NatsOptions, Worker};
use tokio::task::yield_now;
use tokio::time::sleep;

use super::{Ping, ready};

#[metropolis::task(subject = "bench.echo")]
async fn echo(ping: Ping) -> Ping {
    ping
}

#[metropolis::task(subject = "bench.yield")]
async fn yielding(ping: Ping) -> Ping {
    yield_now().await;
    ping
}

#[metropolis::task(subject = "bench.sleep")]
async fn sleeping(ping: Ping) -> Ping {
    sleep(Duration::from_millis(1)).await;
    ping
}

/// Serves all of them.
pub(super) async fn worker(nats_url: &str) {
    let bus = connect(nats_url, "worker").await;
    let worker = Worker::new(bus)
        .start()
        .await
        .expect("the tasks have no problems");
    ready("");
    std::future::pending::<()>().await;
    worker.stop().await;
}

async fn connect(nats_url: &str, role: &str) -> Bus {
    Bus::connect(NatsOptions::new(nats_url, role))
        .await
        .expect("the server listens")
}
