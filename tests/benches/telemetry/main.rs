//! What telemetry costs: CPU per request with all of it off, and with one part after the other on.
//!
//! `cargo bench -p metropolis-tests --bench telemetry`, or with `-- worker` only the stage whose name holds that word. As
//! in `requests`, whatever is measured runs in a process of its own: this binary again, with a role as its argument.

use std::time::{Duration, Instant};

use load::Load;
use metropolis_tests::NatsServer;
use report::{Spread, ratio};
use roles::{Part, Role};
use tokio::time::sleep;

#[path = "../requests/cpu.rs"]
#[allow(
    dead_code,
    reason = "what `requests` measures beyond time is not of interest here"
)]
mod cpu;
#[path = "../requests/load.rs"]
mod load;
#[path = "../report.rs"]
mod report;
mod roles;

/// 32 bytes of JSON; the task sends back what it got.
const PAYLOAD: &[u8] = br#"{"id":12345,"text":"abcdefghij"}"#;

/// Requests under way.
const IN_FLIGHT: usize = 64;

/// Rounds that count; one more goes before them.
const ROUNDS: usize = 9;
const WARM_UP: Duration = Duration::from_millis(300);
const WINDOW: Duration = Duration::from_secs(1);

/// What one measurement found: CPU µs per request by process.
type Sample = Vec<(&'static str, f64)>;

/// How the requests come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// HTTP to a gateway, and from there to a worker.
    Gateway,
    /// NATS to a worker.
    Worker,
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    match arguments.next() {
        Some(word) if word == roles::ARGUMENT => roles::play(arguments),
        wanted => block_on(bench(&wanted.unwrap_or_default())),
    }
}

/// The load needs one thread at most, and would otherwise take that of what is measured.
fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has a thread for a runtime")
        .block_on(future);
}

async fn bench(wanted: &str) {
    let mut rows = Vec::new();
    for stage in [Stage::Gateway, Stage::Worker] {
        if format!("{stage:?}").to_lowercase().contains(wanted) {
            rows.extend(stage.contest().await);
        }
    }
    let heads = [
        "telemetry",
        "process",
        "CPU µs per request",
        "by all off",
        "goal",
    ];
    let text = format!(
        "## Telemetry\n\nMedian (least–most) of {ROUNDS} rounds.\n\n{}",
        report::table(&heads, &rows)
    );
    report::publish("bench-telemetry", &text);
}

impl Stage {
    /// Rounds through all parts in turn, each with fresh processes; every other round goes backwards.
    async fn contest(self) -> Vec<Vec<String>> {
        let mut samples = vec![Vec::new(); Part::ALL.len()];
        for round in 0..=ROUNDS {
            let mut order: Vec<usize> = (0..Part::ALL.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for at in order {
                let sample = self.measure(Part::ALL[at]).await;
                if round > 0 {
                    samples[at].push(sample);
                }
            }
        }
        self.rows(&samples)
    }

    async fn measure(self, part: Part) -> Sample {
        let server = NatsServer::start().await;
        let collector = Role::Collector.start(part, "", None).await;
        let worker = Role::Worker
            .start(part, &server.url(), collector.address)
            .await;
        match self {
            Self::Worker => {
                let load = Load::over_nats(&server.url(), "bench.echo", IN_FLIGHT, PAYLOAD).await;
                sample(load, &[("worker", worker.pid())]).await
            }
            Self::Gateway => {
                let gateway = Role::Gateway
                    .start(part, &server.url(), collector.address)
                    .await;
                let address = gateway.address.expect("a gateway says where it listens");
                let load = Load::over_http(address, IN_FLIGHT, "/bench/echo", PAYLOAD).await;
                let processes = [
                    ("gateway", gateway.pid()),
                    ("worker", worker.pid()),
                    ("nats-server", server.pid()),
                ];
                let mut sample = sample(load, &processes).await;
                let sum = sample.iter().map(|(_, micros)| micros).sum();
                sample.retain(|(process, _)| *process != "nats-server");
                sample.push(("all three", sum));
                sample
            }
        }
    }

    /// A line for each part and process.
    fn rows(self, samples: &[Vec<Sample>]) -> Vec<Vec<String>> {
        let processes: Vec<&str> = samples[0][0].iter().map(|(process, _)| *process).collect();
        let of = |part: usize, process: usize| -> Vec<f64> {
            samples[part]
                .iter()
                .map(|sample| sample[process].1)
                .collect()
        };
        let lines = (0..processes.len())
            .flat_map(|process| (0..Part::ALL.len()).map(move |part| (part, process)));
        lines
            .map(|(part, process)| {
                let (ours, off) = (of(part, process), of(0, process));
                let ratio = ratio(&ours, &off);
                let goal = Part::ALL[part]
                    .goal()
                    .filter(|_| processes[process] != "worker" || self == Self::Gateway);
                vec![
                    format!("{self:?}, {}", Part::ALL[part].name()).to_lowercase(),
                    processes[process].to_owned(),
                    Spread::of(ours).to_string(),
                    ratio.to_string(),
                    verdict(ratio.median, goal),
                ]
            })
            .collect()
    }
}

fn verdict(median: f64, goal: Option<f64>) -> String {
    match goal {
        Some(goal) if median <= goal => format!("≤ {goal}, met"),
        Some(goal) => format!("≤ {goal}, **not met**"),
        None => "–".to_owned(),
    }
}

/// Measures one window of a load that has warmed up.
async fn sample(mut load: Load, processes: &[(&'static str, u32)]) -> Sample {
    sleep(WARM_UP).await;
    let spent = || -> Vec<Duration> { processes.iter().map(|(_, pid)| cpu::spent(*pid)).collect() };
    let (start, answered, before) = (Instant::now(), load.answered(), spent());
    sleep(WINDOW.saturating_sub(start.elapsed())).await;
    let (answered, after) = (load.answered() - answered, spent());
    assert!(answered > 0, "nothing was answered");
    let micros = |spent: Duration| spent.as_secs_f64() * 1e6 / answered as f64;
    let both = before.iter().zip(after);
    processes
        .iter()
        .zip(both)
        .map(|((process, _), (before, after))| (*process, micros(after - *before)))
        .collect()
}
