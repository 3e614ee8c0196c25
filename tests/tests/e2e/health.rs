//! A worker's health over HTTP: it lives from the start, and is ready while its bus answers.

use std::net::SocketAddr;
use std::time::Duration;

use metropolis_tests::network::examples;
use metropolis_tests::process::address_in;
use metropolis_tests::{HttpClient, Network, Process, eventually};

async fn status(address: SocketAddr, path: &str) -> u16 {
    let mut client = HttpClient::connect(address).await;
    client.send("GET", path, &[], "").await.status
}

#[tokio::test]
async fn a_worker_lives_before_it_is_ready_and_is_ready_while_its_bus_answers() {
    let mut network = Network::start([("worker", examples::hello_worker())]).await;
    network.server.kill().await;
    let worker = Process::example("hello-worker")
        .env("METROPOLIS_NATS_URL", network.url("worker"))
        .env("METROPOLIS_ADMIN_LISTEN", "127.0.0.1:0")
        .start()
        .await;
    let line = worker
        .wait_for_line(|line| line.contains("health on"))
        .await;
    let address = address_in(&line).unwrap();
    assert_eq!(
        (
            status(address, "/healthz").await,
            status(address, "/readyz").await
        ),
        (200, 503)
    );

    network.server.restart_on_same_port().await;
    eventually(Duration::from_secs(10), async || {
        status(address, "/readyz").await == 200
    })
    .await;

    network.server.pause().await;
    eventually(Duration::from_secs(4), async || {
        status(address, "/readyz").await == 503
    })
    .await;
    assert_eq!(status(address, "/healthz").await, 200);
    network.server.resume().await;
    eventually(Duration::from_secs(10), async || {
        status(address, "/readyz").await == 200
    })
    .await;

    assert_eq!(
        (
            status(address, "/readyz?verbose").await,
            status(address, "/nothing").await
        ),
        (200, 404)
    );
    let posted = HttpClient::connect(address)
        .await
        .send("POST", "/healthz", &[], "")
        .await;
    assert_eq!(posted.status, 400);
}
