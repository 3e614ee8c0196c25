//! Behaviour of whole workers and gateways: one module per behaviour, on the embedded bus and on a real server.
#![expect(clippy::unwrap_used, reason = "a test ends with what it cannot unwrap")]

mod calls;
mod discovery;
mod examples;
mod health;
mod permissions;
mod readme;
mod replies;
mod stalls;
mod startup;
mod stop;
mod two_buses;

use std::net::SocketAddr;

use metropolis::{Bus, NatsOptions};
use metropolis_tests::process::address_in;
use metropolis_tests::{NatsServer, Process};

/// Runs a test on the embedded bus, then on a real server.
async fn on_both_buses(test: impl AsyncFn(Bus)) {
    test(Bus::embedded()).await;
    let server = NatsServer::start().await;
    let bus = connect(&server, "worker").await;
    test(bus).await;
}

/// A bus of its own connection to a server.
async fn connect(server: &NatsServer, role: &str) -> Bus {
    Bus::connect(NatsOptions::new(server.url(), role))
        .await
        .unwrap()
}

/// Starts a program that serves HTTP, on a port of its own.
async fn serving(name: &str, server: Option<&NatsServer>) -> (Process, SocketAddr) {
    serving_on(name, server.map(NatsServer::url)).await
}

/// The same on the bus of a URL, or on the embedded one.
async fn serving_on(name: &str, url: Option<String>) -> (Process, SocketAddr) {
    let mut launch = Process::example(name)
        .env("METROPOLIS_LISTEN", "127.0.0.1:0")
        .env("METROPOLIS_STOP_TIMEOUT", "5s");
    if let Some(url) = url {
        launch = launch.env("METROPOLIS_NATS_URL", url);
    }
    let process = launch.start().await;
    let line = process
        .wait_for_line(|line| line.contains("listening on"))
        .await;
    let address = address_in(&line).expect("the line names the address");
    (process, address)
}
