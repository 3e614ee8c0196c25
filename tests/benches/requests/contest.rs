//! One contest: the same load on a baseline and on metropolis, in turns, each time in fresh processes.

use std::time::{Duration, Instant};

use metropolis_tests::NatsServer;
use tokio::time::sleep;

use crate::load::Load;
use crate::report::{self, Spread, ratio};
use crate::roles::{Role, Side};
use crate::{PAYLOAD, cpu, over_http};

/// Rounds that count; one more goes before them.
const ROUNDS: usize = 7;
const WARM_UP: Duration = Duration::from_millis(200);
const WINDOW: Duration = Duration::from_millis(500);

/// What is compared, and the most the ratio may be.
pub(crate) struct Contest {
    pub(crate) name: &'static str,
    pub(crate) goal: Option<f64>,
    pub(crate) stage: Stage,
}

/// The processes of one measurement, apart from this one.
///
/// The server is new each time too: an old one may not have noticed yet that the last worker is gone.
pub(crate) enum Stage {
    /// A worker behind a server.
    Worker {
        subject: &'static str,
        in_flight: usize,
    },
    /// A gateway in front of a server, and the baseline's worker behind it.
    Gateway,
    /// HTTP and the work in one process.
    Embedded,
}

/// What one measurement found.
struct Sample {
    /// CPU µs per request, by process; the measured one first.
    spent: Vec<(&'static str, f64)>,
    per_second: f64,
}

/// What all rounds of a contest found.
pub(crate) struct Outcome {
    name: &'static str,
    goal: Option<f64>,
    baseline: Vec<Sample>,
    ours: Vec<Sample>,
}

impl Contest {
    pub(crate) async fn run(self) -> Outcome {
        let (mut baseline, mut ours) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            // Every other round begins with the other side, so that neither always follows the same neighbour.
            let order = if round % 2 == 0 {
                [Side::Baseline, Side::Ours]
            } else {
                [Side::Ours, Side::Baseline]
            };
            for side in order {
                let sample = self.stage.measure(side).await;
                if round > 0 {
                    match side {
                        Side::Baseline => baseline.push(sample),
                        Side::Ours => ours.push(sample),
                    }
                }
            }
        }
        Outcome {
            name: self.name,
            goal: self.goal,
            baseline,
            ours,
        }
    }
}

impl Stage {
    async fn measure(&self, side: Side) -> Sample {
        match self {
            Self::Worker { subject, in_flight } => {
                let server = NatsServer::start().await;
                let worker = Role::Worker.start(side, &server.url()).await;
                let load = Load::over_nats(&server.url(), subject, *in_flight, PAYLOAD).await;
                sample(
                    load,
                    &[("worker", worker.pid()), ("nats-server", server.pid())],
                )
                .await
            }
            Self::Gateway => {
                let server = NatsServer::start().await;
                let worker = Role::Worker.start(Side::Baseline, &server.url()).await;
                let gateway = Role::Gateway.start(side, &server.url()).await;
                let load = over_http(gateway.address).await;
                sample(
                    load,
                    &[
                        ("gateway", gateway.pid()),
                        ("nats-server", server.pid()),
                        ("worker", worker.pid()),
                    ],
                )
                .await
            }
            Self::Embedded => {
                let process = Role::Embedded.start(side, "").await;
                let load = over_http(process.address).await;
                sample(load, &[("process", process.pid())]).await
            }
        }
    }
}

/// Measures one window of a load that has warmed up.
async fn sample(mut load: Load, processes: &[(&'static str, u32)]) -> Sample {
    sleep(WARM_UP).await;
    let all: Vec<(&'static str, u32)> = [processes, &[("load", std::process::id())]].concat();
    let spent = || -> Vec<Duration> { all.iter().map(|(_, pid)| cpu::spent(*pid)).collect() };
    let (start, answered, before) = (Instant::now(), load.answered(), spent());
    sleep(WINDOW).await;
    let (time, answered, after) = (start.elapsed(), load.answered() - answered, spent());
    assert!(answered > 0, "nothing was answered");
    let micros = |spent: Duration| spent.as_secs_f64() * 1e6 / answered as f64;
    Sample {
        spent: all
            .iter()
            .zip(before.iter().zip(after))
            .map(|((name, _), (before, after))| (*name, micros(after - *before)))
            .collect(),
        per_second: answered as f64 / time.as_secs_f64(),
    }
}

/// Both tables: the ratios with their goals, and where the time went.
pub(crate) fn report(outcomes: &[Outcome]) -> String {
    let heads = [
        "CPU µs per request",
        "baseline",
        "metropolis",
        "ratio",
        "goal",
    ];
    let ratios: Vec<Vec<String>> = outcomes.iter().map(Outcome::ratios).collect();
    let mut report = format!(
        "## Requests\n\nMedian (least–most) of {ROUNDS} rounds, the measured process alone.\n\n"
    );
    report += &report::table(&heads, &ratios);
    report += "\n## By process\n\nMedians of CPU µs per request, and requests per second.\n\n";
    let heads = ["", "who", "CPU µs per request", "sum", "requests/s"];
    let shares: Vec<Vec<String>> = outcomes.iter().flat_map(Outcome::shares).collect();
    report + &report::table(&heads, &shares) + "\n"
}

impl Outcome {
    fn ratios(&self) -> Vec<String> {
        let measured = |samples: &[Sample]| -> Vec<f64> {
            samples.iter().map(|sample| sample.spent[0].1).collect()
        };
        let (baseline, ours) = (measured(&self.baseline), measured(&self.ours));
        let ratio = ratio(&ours, &baseline);
        vec![
            self.name.to_owned(),
            Spread::of(baseline).to_string(),
            Spread::of(ours).to_string(),
            ratio.to_string(),
            verdict(ratio.median, self.goal),
        ]
    }

    fn shares(&self) -> [Vec<String>; 2] {
        [("baseline", &self.baseline), ("metropolis", &self.ours)].map(|(who, samples)| {
            let median =
                |figure: &dyn Fn(&Sample) -> f64| Spread::of(samples.iter().map(figure)).median;
            let share = |at: usize| {
                format!(
                    "{} {:.2}",
                    samples[0].spent[at].0,
                    median(&|sample| sample.spent[at].1)
                )
            };
            let shares: Vec<String> = (0..samples[0].spent.len()).map(share).collect();
            let sum = median(&|sample| sample.spent.iter().map(|(_, micros)| micros).sum());
            vec![
                self.name.to_owned(),
                who.to_owned(),
                shares.join(", "),
                format!("{sum:.2}"),
                format!("{:.0}", median(&|sample| sample.per_second)),
            ]
        })
    }
}

/// What came of a goal, which is the most a figure may be.
pub(crate) fn verdict(median: f64, goal: Option<f64>) -> String {
    match goal {
        Some(goal) if median <= goal => format!("≤ {goal}, met"),
        Some(goal) => format!("≤ {goal}, **not met**"),
        None => "–".to_owned(),
    }
}
