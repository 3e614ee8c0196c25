//! What gateways and workers tell of themselves: metrics, `STATS` and the log.
#![expect(clippy::unwrap_used, reason = "a test ends with what it cannot unwrap")]

mod dashboard;
mod logs;
mod metrics;
mod stats;
mod traces;

use std::net::SocketAddr;
use std::time::Duration;

use metropolis::{Bus, NatsOptions};
use metropolis_tests::http::Response;
use metropolis_tests::process::{Launch, address_in};
use metropolis_tests::{HttpClient, NatsServer, Process};

/// How long anything may take that is not to take long.
const SOON: Duration = Duration::from_secs(10);

const JSON: (&str, &str) = ("content-type", "application/json");

async fn connect(server: &NatsServer, role: &str) -> Bus {
    Bus::connect(NatsOptions::new(server.url(), role))
        .await
        .unwrap()
}

/// Starts a program and waits for a line with an address behind these words.
async fn started(launch: Launch, words: &str) -> (Process, SocketAddr) {
    let process = launch.start().await;
    let line = process.wait_for_line(|line| line.contains(words)).await;
    let address = line.split(words).nth(1).and_then(address_in);
    (process, address.expect("the line names the address"))
}

async fn get(address: SocketAddr, path: &str) -> Response {
    let mut client = HttpClient::connect(address).await;
    client.send("GET", path, &[], "").await
}

async fn metrics_of(address: SocketAddr) -> String {
    let response = get(address, "/metrics").await;
    assert_eq!(response.status, 200, "{}", response.text());
    let media_type = response.header("content-type").unwrap();
    assert!(
        media_type.starts_with("text/plain; version=0.0.4"),
        "{media_type}"
    );
    response.text()
}

/// The value of one series, exactly as it is written.
fn value(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}
