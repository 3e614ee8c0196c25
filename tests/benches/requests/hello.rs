//! The example `hello`, worker and gateway in one process: from its start to its first answer, and its memory at rest.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use metropolis_tests::process::address_in;
use metropolis_tests::{HttpClient, Process};
use tokio::time::sleep;

use crate::contest::verdict;
use crate::report::{self, Spread};
use crate::roles::{Role, Side};
use crate::{PAYLOAD, cpu};

/// Starts that count; one more goes before them, and fills the file cache.
const STARTS: usize = 15;
/// How long a process is left alone before its memory is read.
const REST: Duration = Duration::from_millis(100);

const START_GOAL_MS: f64 = 20.0;
const MEMORY_GOAL_MB: f64 = 12.0;

/// One start of one process.
struct Start {
    first_answer_ms: f64,
    resident_mb: f64,
}

pub(crate) async fn report() -> String {
    let program = build();
    let (mut baseline, mut ours) = (Vec::new(), Vec::new());
    for round in 0..=STARTS {
        let starts = (plain_axum().await, hello(&program).await);
        if round > 0 {
            baseline.push(starts.0);
            ours.push(starts.1);
        }
    }
    let heads = [
        "hello on the embedded bus",
        "plain axum",
        "metropolis",
        "goal",
    ];
    let rows = [
        row(
            "start to first answer, ms",
            START_GOAL_MS,
            [&baseline, &ours],
            |start| start.first_answer_ms,
        ),
        row(
            "resident at rest, MB",
            MEMORY_GOAL_MB,
            [&baseline, &ours],
            |start| start.resident_mb,
        ),
    ];
    format!(
        "## Start and memory\n\nMedian (least–most) of {STARTS} starts.\n\n{}",
        report::table(&heads, &rows)
    )
}

fn row(name: &str, goal: f64, sides: [&[Start]; 2], figure: impl Fn(&Start) -> f64) -> Vec<String> {
    let [baseline, ours] = sides.map(|starts| Spread::of(starts.iter().map(&figure)));
    vec![
        name.to_owned(),
        format!("{baseline:.1}"),
        format!("{ours:.1}"),
        verdict(ours.median, Some(goal)),
    ]
}

/// Builds the example alone: the others would take minutes more.
fn build() -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args("build --quiet --release --package metropolis-examples --bin hello".split(' '));
    for (key, _) in std::env::vars_os() {
        // Build scripts that watch what cargo says of this package would run again, here and in the next build.
        if key.as_encoded_bytes().starts_with(b"CARGO_PKG_") {
            cargo.env_remove(key);
        }
    }
    let built = cargo.status().expect("cargo is there, as it runs this");
    assert!(built.success(), "the example `hello` does not build");
    let bench = std::env::current_exe().expect("a running bench has an executable");
    bench.with_file_name("../hello")
}

async fn hello(program: &Path) -> Start {
    let launch = Process::program(program).env("METROPOLIS_LISTEN", "127.0.0.1:0");
    let begun = Instant::now();
    let process = launch.start().await;
    let line = process
        .wait_for_line(|line| address_in(line).is_some())
        .await;
    let address = address_in(&line).expect("the line was chosen for it");
    measured(
        begun,
        process.pid(),
        address,
        "/foo/bar",
        br#"{"data":"asdf"}"#,
    )
    .await
}

async fn plain_axum() -> Start {
    let begun = Instant::now();
    let process = Role::Embedded.start(Side::Baseline, "").await;
    let address = process.address.expect("an HTTP role says where it listens");
    measured(begun, process.pid(), address, "/bench/echo", PAYLOAD).await
}

async fn measured(
    begun: Instant,
    pid: u32,
    address: SocketAddr,
    path: &str,
    body: &'static [u8],
) -> Start {
    let mut client = HttpClient::connect(address).await;
    let headers = [("content-type", "application/json")];
    let response = client.send("POST", path, &headers, body).await;
    let first_answer_ms = begun.elapsed().as_secs_f64() * 1e3;
    assert_eq!(response.status, 200, "{}", response.text());
    sleep(REST).await;
    Start {
        first_answer_ms,
        resident_mb: cpu::resident_mb(pid),
    }
}
