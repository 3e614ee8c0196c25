//! The example `hello`, worker and gateway in one process: from its start to its first answer, and its memory at rest.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use metropolis_tests::measure::report::{self, Spread, verdict};
use metropolis_tests::measure::{Plan, Player, books, player};
use metropolis_tests::process::address_in;
use metropolis_tests::{HttpClient, Process};
use tokio::time::sleep;

use crate::roles::{Role, Side};
use crate::shape::Payload;

/// Starts that count; one more goes before them, and fills the file cache.
const STARTS: usize = 15;
/// How long a process is left alone before its memory is read.
const REST: Duration = Duration::from_millis(100);

const NAME: &str = "start and memory of hello";
const START_GOAL_MS: f64 = 20.0;
const MEMORY_GOAL_MB: f64 = 12.0;

/// One start of one process.
struct Start {
    first_answer_ms: f64,
    resident_mb: f64,
}

/// The figures, if they are wanted.
pub(crate) async fn report(plan: &Plan) -> String {
    if !plan.wants(NAME) {
        return String::new();
    }
    report::progress(NAME);
    let program = player::build("metropolis-examples", "hello");
    let (mut baseline, mut ours) = (Vec::new(), Vec::new());
    for round in 0..=plan.rounds(STARTS) {
        let starts = (plain_axum().await, hello(&program).await);
        if round > 0 {
            baseline.push(starts.0);
            ours.push(starts.1);
        }
    }
    table([&baseline, &ours])
}

fn table(sides: [&[Start]; 2]) -> String {
    let heads = [
        "hello on the embedded bus",
        "plain axum",
        "metropolis",
        "goal",
    ];
    let rows = [
        row("start to first answer, ms", START_GOAL_MS, sides, |start| {
            start.first_answer_ms
        }),
        row("resident at rest, MB", MEMORY_GOAL_MB, sides, |start| {
            start.resident_mb
        }),
    ];
    format!(
        "## Start and memory\n\nMedian (least–most) of {} starts.\n\n{}\n",
        sides[0].len(),
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
        r#"{"data":"asdf"}"#,
    )
    .await
}

async fn plain_axum() -> Start {
    let begun = Instant::now();
    let process: Player = Role::Embedded.start(Side::Baseline, "").await;
    let body = Payload::Small.bytes();
    measured(begun, process.pid(), process.address(), "/bench/echo", body).await
}

async fn measured(
    begun: Instant,
    pid: u32,
    address: SocketAddr,
    path: &str,
    body: impl Into<bytes::Bytes>,
) -> Start {
    let mut client = HttpClient::connect(address).await;
    let headers = [("content-type", "application/json")];
    let response = client.send("POST", path, &headers, body).await;
    let first_answer_ms = begun.elapsed().as_secs_f64() * 1e3;
    assert_eq!(response.status, 200, "{}", response.text());
    sleep(REST).await;
    Start {
        first_answer_ms,
        resident_mb: books::resident_mb(pid),
    }
}
