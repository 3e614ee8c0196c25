//! Behaviour of whole workers and gateways: one module per behaviour, on the embedded bus and on a real server.
#![expect(clippy::unwrap_used, reason = "a test ends with what it cannot unwrap")]

mod calls;
mod discovery;
mod examples;
mod health;
mod operations;
mod parts;

mod permissions;
mod readme;
mod replies;
mod stalls;
mod startup;
mod stop;
mod turns;
mod two_buses;

use std::net::SocketAddr;

use metropolis_tests::Process;
use metropolis_tests::process::address_in;

/// Starts a program that serves HTTP on a port of its own, on the bus of a URL or on the embedded one.
async fn listening(name: &str, url: Option<String>) -> (Process, SocketAddr) {
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

/// Starts a `hello-worker`, and waits until it serves.
async fn hello_worker(url: String) -> Process {
    let launch = Process::example("hello-worker").env("METROPOLIS_NATS_URL", url);
    let process = launch.start().await;
    process
        .wait_for_line(|line| line.contains("the worker serves"))
        .await;
    process
}
