//! What a million requests leave behind that end without an answer.
//!
//! `cargo bench -p metropolis-tests --bench memory`. Half of them time out, half are dropped by their callers.

use std::time::{Duration, Instant};

use metropolis::bus::Outgoing;
use metropolis::subject::Subject;
use metropolis::{Bus, NatsOptions};
use metropolis_tests::NatsServer;
use tokio::task::JoinSet;

#[path = "../report.rs"]
#[expect(dead_code, reason = "the other benches compare, this one only reports")]
mod report;

/// Requests of one round, and rounds: memory is looked at after each.
const ROUND: usize = 100_000;
const ROUNDS: usize = 10;

/// Requests in flight at a time.
const AT_ONCE: usize = 2_000;

/// How long a request waits for its answer, or its caller for it.
const PATIENCE: Duration = Duration::from_millis(20);

#[tokio::main(worker_threads = 2)]
async fn main() {
    let server = NatsServer::start().await;
    // Somebody listens and never answers.
    let silent = connect(&server, "silent").await;
    let requests = silent.subscribe("silent", None, ROUND).await;
    let mut requests = requests.expect("the server takes subscriptions");
    tokio::spawn(async move { while requests.next().await.is_some() {} });
    let bus = connect(&server, "client").await;

    let mut rows = Vec::new();
    for round in 0..=ROUNDS {
        let mebibytes = format!("{:.1}", resident() / 1024.0);
        let in_flight = bus.counters().in_flight.to_string();
        rows.push(vec![(round * ROUND).to_string(), mebibytes, in_flight]);
        if round < ROUNDS {
            waste(&bus).await;
        }
    }
    let heads = ["requests", "resident MiB", "slots taken"];
    report::publish("memory", &report::table(&heads, &rows));
}

async fn connect(server: &NatsServer, role: &str) -> Bus {
    let connecting = Bus::connect(NatsOptions::new(server.url(), role));
    connecting.await.expect("the server takes connections")
}

async fn waste(bus: &Bus) {
    for _ in 0..ROUND / AT_ONCE {
        let mut requests = JoinSet::new();
        for number in 0..AT_ONCE {
            requests.spawn(request(bus.clone(), number % 2 == 0));
        }
        requests.join_all().await;
    }
}

async fn request(bus: Bus, times_out: bool) {
    let subject = Subject::parse("silent".to_owned()).expect("a plain token");
    let wait = if times_out { PATIENCE } else { 60 * PATIENCE };
    let request = bus.request(Outgoing::empty(subject), Instant::now() + wait);
    if times_out {
        let _ = request.await;
    } else {
        let _ = tokio::time::timeout(PATIENCE, request).await;
    }
}

/// Kibibytes of memory this process holds; zero where the system does not tell.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0.0)
}
