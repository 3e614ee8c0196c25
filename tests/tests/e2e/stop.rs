//! A stop under load loses no request: on both buses, in one process and in two.
//!
//! Where there are two processes, each may do on the server what its printed permissions say and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use metropolis::{Client, Fault};
use metropolis_tests::load::{self, Tally, outcome};
use metropolis_tests::network::{self, examples};
use metropolis_tests::{HttpClient, Network, Process, eventually, within};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::parts::{self, on_both_buses, serving};
use crate::{hello_worker, listening};

const CONNECTIONS: usize = 64;
/// How long load goes on before the stop, and after it.
const BEFORE: Duration = Duration::from_millis(500);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

#[derive(Deserialize, JsonSchema, serde::Serialize)]
struct Pause {
    ms: u64,
}

/// Some calls end in place, some have to wait: both ways out of a worker are under load.
#[metropolis::task(subject = "stop.wait")]
async fn wait(pause: Pause) -> Result<u64, Fault> {
    if pause.ms > 0 {
        tokio::time::sleep(Duration::from_millis(pause.ms)).await;
    }
    Ok(pause.ms)
}

/// Calls `wait` from many callers while `scenario` goes on; every call must be answered with its value.
async fn load_tasks(client: &Client, scenario: impl Future<Output = ()>) -> Tally {
    let request = async |turn: &mut u64| {
        *turn += 1;
        let ms = *turn % 4;
        match client.call::<wait>(&Pause { ms }).await {
            Ok(answer) if answer == ms => Ok(200),
            Ok(other) => Err(format!("the answer of another call: {other}")),
            Err(error) => Err(error.to_string()),
        }
    };
    load::during(scenario, CONNECTIONS, async || Ok(0), request)
        .await
        .1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stops_under_load_hands_over_to_another() {
    on_both_buses([serving::<wait>(), serving::<wait>()], async |parts| {
        let mut workers = parts.start().await;
        let leaving = workers.remove(0);
        let tally = load_tasks(&parts.client(), async {
            tokio::time::sleep(BEFORE).await;
            leaving.stop().await;
            tokio::time::sleep(BEFORE).await;
        })
        .await;
        assert_eq!(tally.not_ok(), 0, "{tally:?}");
        assert!(tally.ok > CONNECTIONS as u64, "{tally:?}");
        parts::stop(workers).await;
    })
    .await;
}

/// Keeps connections to an HTTP address busy until it is gone, and counts what was not answered with a 200.
///
/// A connection that is refused, or closed before a request was written to it, has accepted nothing.
async fn load_http(address: SocketAddr) -> Tally {
    let connections = (0..CONNECTIONS).map(|_| tokio::spawn(keep_asking(address)));
    let tallies = within(
        STOPPED_WITHIN * 2,
        futures_util::future::join_all(connections),
    )
    .await;
    tallies
        .into_iter()
        .map(|tally| tally.unwrap())
        .fold(Tally::default(), Tally::and)
}

async fn keep_asking(address: SocketAddr) -> Tally {
    let mut tally = Tally::default();
    while let Ok(mut client) = HttpClient::try_connect(address).await {
        while !client.is_closed() {
            let json = [("content-type", "application/json")];
            let sent = client
                .try_send("POST", "/foo/bar", &json, r#"{"data":"asdf"}"#)
                .await;
            let is_last = sent
                .as_ref()
                .is_ok_and(|response| response.header("connection") == Some("close"));
            let is_lost = sent.is_err();
            tally.record(outcome(sent));
            if is_last || is_lost {
                break;
            }
        }
    }
    tally
}

async fn stop(process: &mut Process, signal: &str) {
    process.signal(signal).await;
    let status = process.wait_exit(STOPPED_WITHIN).await;
    assert!(status.success(), "{status}\n{}", process.output());
}

fn assert_nothing_lost(tally: &Tally) {
    assert!(tally.ok > CONNECTIONS as u64, "{tally:?}");
    assert_eq!(tally.not_ok(), 0, "{tally:?}");
}

#[tokio::test]
async fn one_process_stops_under_load_and_answers_what_it_accepted() {
    let network = Network::start([("gateway", examples::hello())]).await;
    for (url, signal) in [
        (None, "TERM"),
        (None, "INT"),
        (Some(network.url("gateway")), "TERM"),
    ] {
        let (mut process, address) = listening("hello", url).await;
        let load = tokio::spawn(load_http(address));
        tokio::time::sleep(BEFORE).await;
        stop(&mut process, signal).await;
        assert_nothing_lost(&load.await.unwrap());
    }
}

#[tokio::test]
async fn a_gateway_process_stops_under_load_and_answers_what_it_accepted() {
    let network = network().await;
    let _worker = hello_worker(network.url("worker")).await;
    let (mut gateway, address) = listening("hello-gateway", Some(network.url("gateway"))).await;
    let load = tokio::spawn(load_http(address));
    tokio::time::sleep(BEFORE).await;
    stop(&mut gateway, "TERM").await;
    assert_nothing_lost(&load.await.unwrap());
}

/// Loads a gateway while its workers are replaced one by one, and then stops it.
async fn replace_workers_under_load(mut first: Process, url: &str, gateway: (Process, SocketAddr)) {
    let (mut gateway, address) = gateway;
    let load = tokio::spawn(load_http(address));
    for signal in ["TERM", "INT"] {
        let next = hello_worker(url.to_owned()).await;
        tokio::time::sleep(BEFORE).await;
        stop(&mut first, signal).await;
        first = next;
    }
    tokio::time::sleep(BEFORE).await;
    stop(&mut gateway, "TERM").await;
    assert_nothing_lost(&load.await.unwrap());
}

#[tokio::test]
async fn worker_processes_come_and_go_under_load_and_no_request_notices() {
    let network = network().await;
    let first = hello_worker(network.url("worker")).await;
    let gateway = listening("hello-gateway", Some(network.url("gateway"))).await;
    replace_workers_under_load(first, &network.url("worker"), gateway).await;
}

/// The same behind the gateway that knows no task.
#[tokio::test]
async fn workers_that_are_discovered_come_and_go_under_load_and_no_request_notices() {
    let network = network().await;
    let first = hello_worker(network.url("worker")).await;
    let gateway = listening("metropolis-gateway", Some(network.url("gateway-program"))).await;
    eventually(STOPPED_WITHIN, async || {
        let mut client = HttpClient::connect(gateway.1).await;
        client.send("GET", "/foo/who", &[], "").await.status == 200
    })
    .await;
    replace_workers_under_load(first, &network.url("worker"), gateway).await;
}

/// A server where `hello-worker` and a gateway in front of it have what is printed for them.
async fn network() -> Network {
    let users = [
        ("worker", examples::hello_worker().to_string()),
        ("gateway", examples::hello_gateway().to_string()),
        (
            "gateway-program",
            network::printed(["--subject", "foo.>"]).await,
        ),
    ];
    Network::start(users).await
}

#[tokio::test]
async fn three_workers_share_one_queue_and_a_killed_one_takes_only_its_own_calls_along() {
    let network = network().await;
    let url = || network.url("worker");
    let mut workers = [
        hello_worker(url()).await,
        hello_worker(url()).await,
        hello_worker(url()).await,
    ];
    let (mut gateway, address) = listening("hello-gateway", Some(network.url("gateway"))).await;
    let mut client = HttpClient::connect(address).await;
    let mut answered = BTreeMap::<u32, u32>::new();
    for _ in 0..300 {
        let id: u32 = client.send("GET", "/foo/who", &[], "").await.json();
        *answered.entry(id).or_default() += 1;
    }
    let pids: BTreeSet<u32> = workers.iter().map(Process::pid).collect();
    assert_eq!(answered.keys().copied().collect::<BTreeSet<_>>(), pids);
    assert!(answered.values().all(|calls| *calls > 30), "{answered:?}");

    let load = tokio::spawn(load_http(address));
    tokio::time::sleep(BEFORE).await;
    workers[0].kill().await;
    tokio::time::sleep(BEFORE).await;
    // What the killed one had in flight ends with the gateway: its tasks' own time would be up much later.
    stop(&mut gateway, "TERM").await;
    let tally = load.await.unwrap();
    assert!(tally.ok > CONNECTIONS as u64, "{tally:?}");
    assert!(tally.not_ok() <= CONNECTIONS as u64, "{tally:?}");
}
