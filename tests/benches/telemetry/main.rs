//! What telemetry costs: CPU per request with all of it off, and with one part after the other on.
//!
//! `cargo bench -p metropolis-tests --bench telemetry`, with `-- worker` only the stage whose name holds that word, with
//! `-- quick` few and short rounds. As in `requests`, whatever is measured runs in a process of its own: this binary again,
//! with a role as its argument.

use bytes::Bytes;
use metropolis_tests::NatsServer;
use metropolis_tests::measure::load::{Load, Sample};
use metropolis_tests::measure::report::{self, Spread, progress, ratio, verdict};
use metropolis_tests::measure::turns::{self, Side, Turns};
use metropolis_tests::measure::{Plan, Player, block_on, plan};
use roles::{Part, Role};
use silence::Silence;

mod roles;
mod silence;

/// 32 bytes of JSON; the task sends back what it got.
const PAYLOAD: Bytes = Bytes::from_static(br#"{"id":12345,"text":"abcdefghij"}"#);

/// Where the gateway has the task.
const PATH: &str = "/bench/echo";

/// Requests under way.
const IN_FLIGHT: usize = 64;

/// Rounds that count; one more goes before them.
const ROUNDS: usize = 7;

/// What each part gets in a round; the second one for a quick look. A chosen request in a hundred is seldom: it takes two
/// seconds until everything that spans need was used once, and longer where the other parts have pushed it out of the
/// caches every quarter of a second.
const TURNS: [Turns; 2] = [Turns::new(2, 4, 1000), Turns::new(1, 2, 250)];

/// What one measurement found: CPU µs per request by process.
type Costs = Vec<(&'static str, f64)>;

/// The processes of one part. Dropping it ends them.
struct Cast {
    gateway: Option<Player>,
    worker: Player,
    server: NatsServer,
    _collector: Player,
}

/// How the requests come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// HTTP to a gateway, and from there to a worker.
    Gateway,
    /// NATS to a worker.
    Worker,
}

fn main() {
    match plan::Part::of_this_process() {
        plan::Part::Role(words) => roles::play(&words),
        plan::Part::Bench(plan) => block_on(bench(&plan)),
    }
}

async fn bench(plan: &Plan) {
    let mut rows = Vec::new();
    let mut request_us = None;
    for stage in [Stage::Gateway, Stage::Worker] {
        if plan.wants(stage.name()) {
            progress(&format!("telemetry, {}", stage.name()));
            let costs = stage.contest(plan).await;
            rows.extend(stage.rows(&costs));
            request_us = request_us.or_else(|| stage.whole(&costs));
        }
    }
    let heads = [
        "telemetry",
        "process",
        "CPU µs per request",
        "by all off",
        "goal",
    ];
    let mut text = format!(
        "## Telemetry\n\nMedian (least–most) of {} rounds.\n\n{}",
        plan.rounds(ROUNDS),
        report::table(&heads, &rows)
    );
    if plan.wants("off") {
        let rows = Silence::measure(plan).await.rows(request_us);
        let heads = ["all off, its own steps alone", "ns", "of a request"];
        text += &format!("\n{}", report::table(&heads, &rows));
    }
    report::publish("telemetry", &text);
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Worker => "worker",
        }
    }

    /// Rounds of all parts in turns, each with fresh processes.
    async fn contest(self, plan: &Plan) -> Vec<Vec<Costs>> {
        let mut costs = vec![Vec::new(); Part::ALL.len()];
        for round in 0..=plan.rounds(ROUNDS) {
            let mut casts = Vec::new();
            let mut sides = Vec::new();
            for part in Part::ALL {
                let cast = self.start(part).await;
                sides.push(Side::new(cast.load().await, cast.pids()).await);
                casts.push(cast);
            }
            let samples = turns::take(&mut sides, plan.either(TURNS[0], TURNS[1])).await;
            let found = casts.iter().zip(samples).enumerate();
            for (at, (cast, sample)) in found.filter(|_| round > 0) {
                costs[at].push(cast.costs(&sample));
            }
        }
        costs
    }

    /// What a request takes of all processes with everything off, where all of them are measured.
    fn whole(self, costs: &[Vec<Costs>]) -> Option<f64> {
        let all = costs[0].iter().filter_map(|costs| costs.last());
        (self == Self::Gateway).then(|| report::median(all.map(|(_, micros)| *micros)))
    }

    /// The processes of one part, ready to be asked.
    async fn start(self, part: Part) -> Cast {
        let server = NatsServer::start().await;
        let collector = Role::Collector.start(part, "", None).await;
        let start = async |role: Role| {
            role.start(part, &server.url(), Some(collector.address()))
                .await
        };
        let worker = start(Role::Worker).await;
        let gateway = match self {
            Self::Worker => None,
            Self::Gateway => Some(start(Role::Gateway).await),
        };
        if let Some(gateway) = &gateway {
            gateway.until_it_serves(PATH, &PAYLOAD).await;
        }
        Cast {
            gateway,
            worker,
            server,
            _collector: collector,
        }
    }

    /// A line for each part and process.
    fn rows(self, costs: &[Vec<Costs>]) -> Vec<Vec<String>> {
        let processes: Vec<&str> = costs[0][0].iter().map(|(process, _)| *process).collect();
        let of = |part: usize, process: usize| -> Vec<f64> {
            costs[part].iter().map(|costs| costs[process].1).collect()
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
                    format!("{}, {}", self.name(), Part::ALL[part].name()),
                    processes[process].to_owned(),
                    Spread::of(ours).to_string(),
                    ratio.to_string(),
                    verdict(ratio.median, goal),
                ]
            })
            .collect()
    }
}

impl Cast {
    async fn load(&self) -> Load {
        match &self.gateway {
            None => {
                let subjects = ["bench.echo".to_owned()];
                Load::over_nats(&self.server.url(), &subjects, IN_FLIGHT, PAYLOAD).await
            }
            Some(gateway) => {
                let paths = [PATH.to_owned()];
                Load::over_http(gateway.address(), &paths, IN_FLIGHT, PAYLOAD).await
            }
        }
    }

    /// Of those whose time counts.
    fn pids(&self) -> Vec<u32> {
        let gateway = self.gateway.as_ref().map(Player::pid);
        let others = [self.worker.pid(), self.server.pid()];
        gateway.into_iter().chain(others).collect()
    }

    fn costs(&self, sample: &Sample) -> Costs {
        match sample.spent[..] {
            [worker, _] => vec![("worker", worker)],
            [gateway, worker, server] => vec![
                ("gateway", gateway),
                ("worker", worker),
                ("all three", gateway + worker + server),
            ],
            _ => unreachable!("there are two processes, or three"),
        }
    }
}
