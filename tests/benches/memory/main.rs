//! What a million requests leave behind that end without an answer.
//!
//! `cargo bench -p metropolis-tests --bench memory`. Half of them time out, half are dropped by their callers.

use std::time::{Duration, Instant};

use metropolis::bus::Outgoing;
use metropolis::subject::Subject;
use metropolis::{Bus, NatsOptions};
use metropolis_tests::NatsServer;
use metropolis_tests::measure::plan::Part;
use metropolis_tests::measure::{books, report};
use tokio::task::JoinSet;

/// Requests of one round, and rounds: memory is looked at after each.
const ROUND: usize = 100_000;
const ROUNDS: usize = 10;

/// Requests in flight at a time.
const AT_ONCE: usize = 2_000;

/// How long a request waits for its answer, or its caller for it.
const PATIENCE: Duration = Duration::from_millis(20);

#[tokio::main(worker_threads = 2)]
async fn main() {
    let Part::Bench(plan) = Part::of_this_process() else {
        panic!("this bench has no roles");
    };
    let rounds = plan.rounds(ROUNDS);
    let server = NatsServer::start().await;
    // Somebody listens and never answers.
    let silent = connect(&server, "silent").await;
    let requests = silent.subscribe("silent", None, ROUND).await;
    let mut requests = requests.expect("the server takes subscriptions");
    tokio::spawn(async move { while requests.next().await.is_some() {} });
    let bus = connect(&server, "client").await;

    let mut rows = Vec::new();
    for round in 0..=rounds {
        let megabytes = format!("{:.1}", books::resident_mb(std::process::id()));
        let in_flight = bus.counters().in_flight.to_string();
        rows.push(vec![(round * ROUND).to_string(), megabytes, in_flight]);
        if round < rounds {
            waste(&bus).await;
        }
    }
    let heads = ["requests", "resident, MB", "slots taken"];
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
