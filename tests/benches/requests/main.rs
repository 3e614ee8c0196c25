//! Whole requests: CPU per request and process, in rounds that go from the baseline to metropolis and back.
//!
//! `cargo bench -p metropolis-tests --bench requests`, or with `-- worker` only the figures whose name holds that word.
//! Whatever is measured runs in a process of its own: this binary again, with a role as its argument.

use std::net::SocketAddr;

use contest::{Contest, Stage};
use load::Load;

mod contest;
mod cpu;
mod hello;
mod load;
#[path = "../report.rs"]
mod report;
mod roles;

/// 32 bytes of JSON; every contender sends back what it got.
const PAYLOAD: &[u8] = br#"{"id":12345,"text":"abcdefghij"}"#;

/// HTTP connections, each with one request under way.
const CONNECTIONS: usize = 64;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    match arguments.next() {
        Some(word) if word == roles::ARGUMENT => roles::play(arguments),
        wanted => block_on(bench(&wanted.unwrap_or_default())),
    }
}

/// The load needs one thread at most, and would otherwise take the one of the contender.
fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has a thread for a runtime")
        .block_on(future);
}

async fn bench(wanted: &str) {
    let mut results = Vec::new();
    for contest in contests() {
        if contest.name.contains(wanted) {
            results.push(contest.run().await);
        }
    }
    let mut report = contest::report(&results);
    if "hello".contains(wanted) {
        report += &hello::report().await;
    }
    report::publish("bench-requests", &report);
}

fn contests() -> Vec<Contest> {
    let worker = |name, subject, in_flight, goal| Contest {
        name,
        goal,
        stage: Stage::Worker { subject, in_flight },
    };
    vec![
        worker(
            "worker, no wait, 64 in flight",
            "bench.echo",
            64,
            Some(1.10),
        ),
        worker("worker, no wait, 1 in flight", "bench.echo", 1, None),
        worker("worker, no wait, 512 in flight", "bench.echo", 512, None),
        worker(
            "worker, yields once, 64 in flight",
            "bench.yield",
            64,
            Some(0.75),
        ),
        worker(
            "worker, sleeps 1 ms, 64 in flight",
            "bench.sleep",
            64,
            Some(0.75),
        ),
        Contest {
            name: "gateway, 64 connections",
            goal: Some(0.65),
            stage: Stage::Gateway,
        },
        Contest {
            name: "embedded, 64 connections",
            goal: Some(1.10),
            stage: Stage::Embedded,
        },
    ]
}

/// Keeps `CONNECTIONS` busy with the route every HTTP contender has.
async fn over_http(address: Option<SocketAddr>) -> Load {
    let address = address.expect("an HTTP role says where it listens");
    Load::over_http(address, CONNECTIONS, "/bench/echo", PAYLOAD).await
}
