//! The program `metropolis-gateway` under what it prints itself, in front of a worker under what that prints.

use std::net::SocketAddr;
use std::path::Path;

use metropolis_tests::process::{Launch, address_in};
use metropolis_tests::wait::holds_within;
use metropolis_tests::{HttpClient, NatsServer, Process, network};
use tempfile::TempDir;

use super::*;

/// A service that announces itself and answers `PING` and calls, but never `INFO`.
const MUTE: &str = "mute";
/// More rounds than an instance may be silent in.
const ROUNDS: usize = 6;

/// Method, path and body.
pub(super) type Request = (&'static str, &'static str, &'static str);

const RELAY: Request = ("POST", "/permissions/relay", "1");
const LARGE: Request = ("POST", "/permissions/relay", "10");
const FIXED: Request = ("GET", "/permissions/fixed/5", "");
const HUM: Request = ("POST", "/permissions/hum", "{}");

/// What the program is configured by: its password, and a route to a responder that announces nothing.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let route = r#"
        [[route]]
        method = "GET"
        path = "/permissions/fixed/{id}"
        subject = "permissions.fixed.{id}"
    "#;
    std::fs::write(folder.path().join("gateway.toml"), route).unwrap();
    std::fs::write(folder.path().join("password"), "pass\n").unwrap();
    folder
}

/// What `metropolis-gateway permissions` prints.
async fn printed(folder: &Path, subjects: &[&str]) -> String {
    let config = [
        "--config".into(),
        folder.join("gateway.toml").into_os_string(),
    ];
    let subjects = subjects
        .iter()
        .flat_map(|subject| ["--subject".into(), subject.into()]);
    network::printed(config.into_iter().chain(subjects)).await
}

/// Everything a gateway does; the first thing that does not work.
async fn serves(folder: &Path, block: &str) -> Result<(), String> {
    let worker = tasks().permissions().to_string();
    let users = [("worker", &*worker), ("gateway", block)];
    let network = Network::start_with(JETSTREAM, users).await;
    let witness = network.connect(WITNESS).await;
    let bucket = Bucket::create(&witness, "metropolis").await;
    answer_all(&witness).await;
    let worker = tasks().worker(&network.connect("worker").await);
    let worker = within(2 * SOON, worker.start());
    let worker = worker.await.map_err(|error| error.to_string())?;
    let (_gateway, address) = start(&network.server, folder).await?;
    comes(address, ("GET", "/readyz", ""), 200).await?;
    // It was there before the gateway, so that only a question finds it.
    comes(address, RELAY, 200).await?;
    comes(address, FIXED, 200).await?;
    console_hears(address, SERVICE).await?;
    joins_stays_and_leaves(&witness, address).await?;
    // A body of two bytes is too large from then on.
    bucket.put("gateway", r#"{"body_max": 1}"#).await;
    comes(address, LARGE, 413).await?;
    within(2 * SOON, worker.stop()).await;
    comes(address, RELAY, 404).await
}

/// A service that only its announcement tells of, that only `PING` keeps, and that only its notice of leaving ends.
async fn joins_stays_and_leaves(witness: &Bus, address: SocketAddr) -> Result<(), String> {
    tell(witness, service::ANNOUNCE, identity("info")).await;
    comes(address, HUM, 200).await?;
    let mut questions = witness.subscribe(service::INFO, None, 64).await.unwrap();
    for _ in 0..ROUNDS {
        let asked = tokio::time::timeout(SOON, questions.next()).await;
        asked.map_err(|_| "nobody asks any more")?;
    }
    let status = status(address, HUM).await;
    if status != 200 {
        return Err(format!("{MUTE} was lost: {status}"));
    }
    tell(witness, service::LEAVE, identity("ping")).await;
    comes(address, HUM, 404).await
}

async fn answer_all(witness: &Bus) {
    for (filter, text) in [
        (service::PING, identity("ping")),
        ("permissions.hum", "1".to_owned()),
        ("permissions.fixed.*", "2".to_owned()),
        ("permissions.elsewhere", "7".to_owned()),
    ] {
        let subscription = witness.subscribe(filter, None, 64).await.unwrap();
        tokio::spawn(answer(witness.clone(), subscription, text));
    }
}

fn identity(kind: &str) -> String {
    let mut identity = json!({
        "type": format!("io.nats.micro.v1.{kind}_response"),
        "name": MUTE, "id": MUTE, "version": "1.0.0", "metadata": {},
    });
    if kind == "info" {
        let endpoint = json!({
            "name": "hum", "subject": "permissions.hum", "queue_group": "q", "metadata": {},
        });
        identity["description"] = "".into();
        identity["endpoints"] = json!([endpoint]);
    }
    identity.to_string()
}

async fn tell(witness: &Bus, topic: &str, text: String) {
    let outgoing = Outgoing {
        payload: text.into(),
        ..Outgoing::empty(subject(format!("{topic}.{MUTE}.{MUTE}")))
    };
    let published = witness.publish(outgoing, Instant::now() + SOON);
    published.await.unwrap();
}

async fn start(server: &NatsServer, folder: &Path) -> Result<(Process, SocketAddr), String> {
    let launch = Process::example("metropolis-gateway")
        .args(["--nats-url", &server.url(), "--listen", "127.0.0.1:0"])
        .args(["--discovery-interval", "100ms", "--nats-user", "gateway"])
        .arg("--nats-password-file")
        .arg(folder.join("password"))
        .arg("--config")
        .arg(folder.join("gateway.toml"));
    listening(launch).await
}

/// Starts a program, which listens or says why not.
pub(super) async fn listening(launch: Launch) -> Result<(Process, SocketAddr), String> {
    let process = launch.start().await;
    let is_up = |line: &str| line.contains("listening on");
    let line = process
        .wait_for_line(|line| is_up(line) || line.starts_with("Error: "))
        .await;
    match address_in(&line).filter(|_| is_up(&line)) {
        Some(address) => Ok((process, address)),
        None => Err(line),
    }
}

pub(super) async fn comes(
    address: SocketAddr,
    request: Request,
    wanted: u16,
) -> Result<(), String> {
    let mut last = 0;
    let has_come = holds_within(SOON, async || {
        last = status(address, request).await;
        last == wanted
    });
    if has_come.await {
        return Ok(());
    }
    Err(format!("{request:?} is answered by {last}"))
}

/// The console knows how a service is doing, which only the service itself can say.
pub(super) async fn console_hears(address: SocketAddr, service: &str) -> Result<(), String> {
    let mut client = HttpClient::connect(address).await;
    let hears = holds_within(SOON, async || {
        let answer = client.send("GET", "/_console/data", &[], "").await;
        let data: serde_json::Value = answer.json();
        let services = data["services"].as_array().unwrap();
        let found = services.iter().find(|known| known["service"] == service);
        found.is_some_and(|known| known["instances"][0]["state"] == "answers")
    });
    let trouble = || "the console hears nothing".to_owned();
    hears.await.then_some(()).ok_or_else(trouble)
}

async fn status(address: SocketAddr, (method, path, body): Request) -> u16 {
    let asking = async {
        let mut client = HttpClient::connect(address).await;
        let json = [("content-type", "application/json")];
        client.send(method, path, &json, body).await.status
    };
    within(2 * SOON, asking).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_program_prints_is_enough_and_every_line_of_it_is_needed() {
    let folder = folder();
    let text = printed(folder.path(), &["permissions.relay", "permissions.hum"]).await;
    let enough = serves(folder.path(), &text).await;
    assert_eq!(enough, Ok(()), "{text}");
    let works = async |block: &str| serves(folder.path(), block).await;
    each_is_needed(&text, 4 + 8, works).await;
}

#[tokio::test]
async fn without_the_subjects_of_services_it_says_in_a_comment_that_they_are_missing() {
    let folder = folder();
    let text = printed(folder.path(), &[]).await;
    assert!(text.starts_with("# "), "{text}");
    assert!(text.contains("--subject"), "{text}");
    let network = Network::start([("gateway", text)]).await;
    let bus = network.connect("gateway").await;
    bus.close(Instant::now() + SOON).await;
}
