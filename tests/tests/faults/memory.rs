//! Requests that end without an answer leave nothing behind, and connections that rest take little.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use metropolis::Bus;
use metropolis::bus::{Outgoing, RequestError};
use metropolis::subject::Subject;
use metropolis_tests::measure::books::resident_mb;
use metropolis_tests::measure::limits::raise_open_files;
use metropolis_tests::process::address_in;
use metropolis_tests::{HttpClient, NatsServer, Process};
use tokio::task::JoinSet;

use crate::connect;

const REQUESTS: usize = 200_000;
/// Requests in flight at a time.
const AT_ONCE: usize = 2_000;
/// What memory may grow by, after a tenth of the requests have warmed everything up: ten times less than the leak of
/// the library's own `request`, which is about 360 bytes for each.
const GROWTH_MAX_MB: f64 = 7.3;
/// Connections of a crowd that rest, and what each may take: a third of what hyper needs to answer on one.
const CONNECTIONS: usize = 300;
const CONNECTION_MAX_MB: f64 = 0.006;
const URL: &str = "FAULTS_NATS_URL";

/// Alone in a process, because memory is the process's.
#[tokio::test]
async fn requests_that_time_out_or_are_cancelled_leave_nothing_behind() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let server = NatsServer::start().await;
    let mut process = Process::program(std::env::current_exe().unwrap())
        .args(["--exact", "memory::alone", "--ignored"])
        .args(["--nocapture", "--test-threads", "1"])
        .env(URL, server.url())
        .start()
        .await;
    let status = process.wait_exit(Duration::from_secs(60)).await;
    eprintln!("{}", process.output());
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs in a process of its own"]
async fn alone() {
    let url = std::env::var(URL).unwrap();
    // Somebody listens and never answers.
    let silent = connect(&url, "silent").await;
    let mut requests = silent.subscribe("silent", None, 65_536).await.unwrap();
    tokio::spawn(async move { while requests.next().await.is_some() {} });
    let bus = connect(&url, "client").await;

    let started = Instant::now();
    waste(&bus, REQUESTS / 10).await;
    let before = resident_mb(std::process::id());
    waste(&bus, REQUESTS).await;
    let after = resident_mb(std::process::id());
    eprintln!(
        "{REQUESTS} requests in {:?}: {before} MB before, {after} after, {:?}",
        started.elapsed(),
        bus.counters()
    );
    assert_eq!(bus.counters().in_flight, 0);
    assert!(after < before + GROWTH_MAX_MB, "{before} -> {after}");
}

/// Half of the requests time out, half are dropped before that.
async fn waste(bus: &Bus, requests: usize) {
    for _ in 0..requests / AT_ONCE {
        let mut set = JoinSet::new();
        for number in 0..AT_ONCE {
            let bus = bus.clone();
            set.spawn(async move {
                let outgoing = Outgoing::empty(Subject::parse("silent".to_owned()).unwrap());
                let (short, long) = (Duration::from_millis(20), Duration::from_secs(60));
                if number % 2 == 0 {
                    let ended = bus.request(outgoing, Instant::now() + short).await;
                    assert_eq!(ended.unwrap_err(), RequestError::TimedOut);
                } else {
                    let request = bus.request(outgoing, Instant::now() + long);
                    assert!(tokio::time::timeout(short, request).await.is_err());
                }
            });
        }
        set.join_all().await;
    }
}

#[tokio::test]
async fn connections_that_rest_take_little() {
    if !cfg!(target_os = "linux") {
        return;
    }
    // Some systems let a process have no more than 1,024 files open unless it asks for more.
    raise_open_files();
    let server = NatsServer::start().await;
    let gateway = Process::example("metropolis-gateway")
        .env("METROPOLIS_NATS_URL", server.url())
        .env("METROPOLIS_LISTEN", "127.0.0.1:0")
        .start()
        .await;
    let line = gateway.wait_for_line(|line| line.contains("listening on"));
    let address = address_in(&line.await).unwrap();
    let mut crowd = connect_all(address).await;
    ask_all(&mut crowd).await;
    let before = resident_mb(gateway.pid());
    let mut others = connect_all(address).await;
    ask_all(&mut others).await;
    let after = resident_mb(gateway.pid());
    eprintln!("{CONNECTIONS} connections: {before} MB before, {after} after");
    assert!(after - before < CONNECTION_MAX_MB * CONNECTIONS as f64);
}

async fn connect_all(address: SocketAddr) -> Vec<HttpClient> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(HttpClient::connect(address).await);
    }
    clients
}

/// Asks on each connection, twice.
async fn ask_all(clients: &mut [HttpClient]) {
    for _ in 0..2 {
        for client in clients.iter_mut() {
            let answer = client.send("GET", "/healthz", &[], "").await;
            assert_eq!(answer.status, 200);
        }
    }
}
