//! The same work as tasks.

use std::time::Duration;

use metropolis::{Bus, NatsOptions, Settings, Worker};
use metropolis_gateway::Gateway;
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
    stay(worker).await;
}

/// Serves HTTP for whoever serves the tasks.
pub(super) async fn gateway(nats_url: &str) {
    let settings = Settings::from_env().expect("the environment has no mistakes");
    let bus = connect(nats_url, "gateway").await;
    serve(Gateway::configured(bus, &settings)).await;
}

/// Gateway and worker in one process, on the embedded bus.
pub(super) async fn embedded() {
    let bus = Bus::embedded();
    serve(Gateway::new(bus.clone()).with_worker(Worker::new(bus))).await;
}

async fn serve(gateway: Gateway) {
    let gateway = gateway
        .with_listen(([127, 0, 0, 1], 0).into())
        .start()
        .await;
    let gateway = gateway.expect("a port is free");
    ready(&gateway.address().to_string());
    stay(gateway).await;
}

/// Keeps what runs until this process is killed.
async fn stay<R>(_running: R) {
    std::future::pending().await
}

async fn connect(nats_url: &str, role: &str) -> Bus {
    Bus::connect(NatsOptions::new(nats_url, role))
        .await
        .expect("the server listens")
}
