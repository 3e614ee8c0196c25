//! The gateway's side of discovery, on a real server: services that join, leave, lie and flap while requests flow.
#![expect(clippy::unwrap_used, reason = "a test ends with what it cannot unwrap")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use metropolis::Bus;
use metropolis::bus::Outgoing;
use metropolis::permissions::Permissions;
use metropolis::subject::Subject;
use metropolis_gateway::{Gateway, RunningGateway};
use metropolis_tests::{HttpClient, Network, WITNESS, eventually};
use serde_json::{Value, json};

mod binary;
mod churn;
mod foreign;
mod hostile;
mod news;
mod polyglot;
mod quarantine;
mod responder;

use responder::{Endpoint, Responder};

/// How long anything may take that is not to take long.
const SOON: Duration = Duration::from_secs(10);

/// An interval nothing in a test waits for, so that what is seen was seen by announcement.
const NEVER: Duration = Duration::from_secs(60);

const JSON: (&str, &str) = ("content-type", "application/json");

/// A server where a gateway that discovers may do what it prints for services with these subjects, and no more.
async fn network(subjects: &[&str]) -> Network {
    Network::start([("gateway", printed(subjects))]).await
}

fn printed(subjects: &[&str]) -> Permissions {
    let subjects: Vec<String> = subjects.iter().copied().map(str::to_owned).collect();
    let gateway = Gateway::new(Bus::embedded()).with_discovery();
    gateway.permissions(&subjects).unwrap()
}

/// A gateway that discovers, ready.
async fn gateway(network: &Network, interval: Duration) -> RunningGateway {
    let gateway = discovering(network, interval).await.start().await.unwrap();
    ready(gateway.address()).await;
    gateway
}

async fn discovering(network: &Network, interval: Duration) -> Gateway {
    Gateway::new(network.connect("gateway").await)
        .with_listen("127.0.0.1:0".parse().unwrap())
        .with_discovery()
        .with_discovery_interval(interval)
        .with_stop_timeout(Duration::from_secs(1))
}

async fn ready(address: SocketAddr) {
    let mut client = HttpClient::connect(address).await;
    eventually(SOON, async || {
        client.send("GET", "/readyz", &[], "").await.status == 200
    })
    .await;
}

/// Waits until a path answers with a status, and says how long that took.
async fn answers(address: SocketAddr, method: &str, path: &str, status: u16) -> Duration {
    let begun = Instant::now();
    let body = if method == "GET" { "" } else { "{}" };
    eventually(SOON, async || {
        // A responder that is torn down may take a last request with it, which then waits for its timeout.
        let asked = async {
            let mut client = HttpClient::connect(address).await;
            client.send(method, path, &[JSON], body).await.status
        };
        tokio::time::timeout(Duration::from_millis(500), asked).await == Ok(status)
    })
    .await;
    begun.elapsed()
}

async fn listed(address: SocketAddr) -> Value {
    let mut client = HttpClient::connect(address).await;
    client.send("GET", "/_routes", &[], "").await.json()
}

/// The reason why a service is quarantined, once it is.
async fn reason(address: SocketAddr, service: &str) -> String {
    let mut reason = None;
    eventually(SOON, async || {
        let listed = listed(address).await;
        let lines = listed["quarantined"].as_array().unwrap();
        let line = lines.iter().find(|line| line["service"] == service);
        reason = line.map(|line| line["reason"].as_str().unwrap().to_owned());
        reason.is_some()
    })
    .await;
    reason.unwrap()
}

fn subject(text: impl Into<String>) -> Subject {
    Subject::parse(text.into()).unwrap()
}

async fn publish(bus: &Bus, to: String, payload: impl Into<bytes::Bytes>) {
    let outgoing = Outgoing {
        payload: payload.into(),
        ..Outgoing::empty(subject(to))
    };
    bus.publish(outgoing, Instant::now() + SOON).await.unwrap();
}

fn echo(name: &str) -> Endpoint {
    Endpoint::new(name, format!("{name}.echo"))
}

#[tokio::test]
async fn what_is_linked_in_is_not_looked_for_unless_asked() {
    let alone = Gateway::new(Bus::embedded()).permissions(&[]).unwrap();
    let network = Network::start([("gateway", alone)]).await;
    let bus = network.connect(WITNESS).await;
    let _responder = Responder::start(&bus, "alone", [echo("alone")]).await;
    let gateway = Gateway::new(network.connect("gateway").await)
        .with_listen("127.0.0.1:0".parse().unwrap())
        .start()
        .await
        .unwrap();
    ready(gateway.address()).await;
    let listed = listed(gateway.address()).await;
    assert_eq!(listed["services"], json!([]));
    answers(gateway.address(), "POST", "/alone/echo", 404).await;
}
