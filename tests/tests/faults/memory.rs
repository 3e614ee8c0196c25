//! Requests that end without an answer leave nothing behind.

use std::time::{Duration, Instant};

use metropolis::Bus;
use metropolis::bus::{Outgoing, RequestError};
use metropolis::subject::Subject;
use metropolis_tests::{NatsServer, Process};
use tokio::task::JoinSet;

use crate::connect;

const REQUESTS: usize = 200_000;
/// Requests in flight at a time.
const AT_ONCE: usize = 2_000;
/// What memory may grow by, after a tenth of the requests have warmed everything up: ten times less than the leak of
/// the library's own `request`, which is about 360 bytes for each.
const GROWTH_MAX: usize = 7 * 1024 * 1024;
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
    let before = resident();
    waste(&bus, REQUESTS).await;
    let after = resident();
    eprintln!(
        "{REQUESTS} requests in {:?}: {before} bytes before, {after} after, {:?}",
        started.elapsed(),
        bus.counters()
    );
    assert_eq!(bus.counters().in_flight, 0);
    assert!(after < before + GROWTH_MAX, "{before} -> {after}");
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

/// Bytes of memory this process holds.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}
