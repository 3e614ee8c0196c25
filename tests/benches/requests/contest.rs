//! One contest: the same loads on all contenders in turns, in each round in fresh processes.

use metropolis_tests::measure::Plan;
use metropolis_tests::measure::load::Sample;
use metropolis_tests::measure::report::{
    self, Spread, median, percentile, progress, ratio, verdict,
};
use metropolis_tests::measure::turns::{self, Side, Turns};

use crate::cast::{Cast, Stage};
use crate::shape::Shape;

/// Rounds that count; one more goes before them.
const ROUNDS: usize = 5;
/// What each contender gets in a round; the second one for a quick look.
const TURNS: [Turns; 2] = [Turns::new(3, 12, 50), Turns::new(1, 3, 50)];

/// Contenders, and which of them are compared.
pub(crate) struct Contest {
    pub(crate) contenders: Vec<Contender>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) counted: Counted,
    pub(crate) shapes: Vec<Shape>,
}

/// One way to answer, by its name.
#[derive(Clone, Copy)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) cast: Cast,
}

/// Two contenders, by their places, and the most that the ratios of the second to the first may be.
#[derive(Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) name: &'static str,
    pub(crate) baseline: usize,
    pub(crate) ours: usize,
    /// Of CPU time, under the usual load.
    pub(crate) goal: Option<f64>,
    /// Of the time an answer takes, one at a time.
    pub(crate) latency_goal: Option<f64>,
}

/// Whose CPU time a contest is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    First,
    All,
}

/// What all rounds found.
pub(crate) struct Outcome {
    contest: Contest,
    /// By contender.
    found: Vec<Found>,
}

/// What all rounds found of one contender.
#[derive(Default)]
struct Found {
    /// Why there is nothing, where it cannot be measured on this machine.
    missing: Option<&'static str>,
    processes: Vec<&'static str>,
    /// By shape and round.
    samples: Vec<Vec<Sample>>,
}

impl Contest {
    /// What is wanted of this contest, if anything is.
    pub(crate) fn wanted(mut self, plan: &Plan) -> Option<Self> {
        let wants = |pair: &Pair, shape: &Shape| plan.wants(&figure(pair, *shape));
        let (pairs, shapes) = (self.pairs.clone(), self.shapes.clone());
        self.pairs
            .retain(|pair| shapes.iter().any(|shape| wants(pair, shape)));
        self.shapes
            .retain(|shape| pairs.iter().any(|pair| wants(pair, shape)));
        (!self.pairs.is_empty()).then_some(self)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.pairs[0].name
    }

    pub(crate) async fn run(self, plan: &Plan) -> Outcome {
        let mut found: Vec<Found> = self.contenders.iter().map(|one| self.found(one)).collect();
        for round in 0..=plan.rounds(ROUNDS) {
            self.play(&mut found, plan, round > 0).await;
        }
        Outcome {
            contest: self,
            found,
        }
    }

    fn found(&self, contender: &Contender) -> Found {
        let missing = contender.cast.missing();
        if let Some(why) = missing {
            progress(&format!("{} is left out: {why}", contender.name));
        }
        Found {
            missing,
            processes: Vec::new(),
            samples: vec![Vec::new(); self.shapes.len()],
        }
    }

    /// One round: all contenders with each load.
    async fn play(&self, found: &mut [Found], plan: &Plan, counts: bool) {
        let mut stages: Vec<(usize, Stage)> = Vec::new();
        for (at, contender) in self.contenders.iter().enumerate() {
            if found[at].missing.is_none() {
                stages.push((at, contender.cast.start().await));
            }
        }
        for (number, shape) in self.shapes.iter().enumerate() {
            let mut sides = Vec::new();
            for (_, stage) in &stages {
                sides.push(Side::new(stage.load(*shape).await, stage.pids()).await);
            }
            let samples = turns::take(&mut sides, plan.either(TURNS[0], TURNS[1])).await;
            for ((at, _), sample) in stages.iter().zip(samples).filter(|_| counts) {
                found[*at].samples[number].push(sample);
            }
        }
        for (at, stage) in stages {
            found[at].processes = stage.processes.iter().map(|(name, _)| *name).collect();
        }
    }
}

/// What a figure is called, for people and for those who ask for it.
fn figure(pair: &Pair, shape: Shape) -> String {
    format!("{}, {shape}", pair.name)
}

/// The ratios with their goals, the times of answers, and where the CPU time went.
pub(crate) fn report(outcomes: &[Outcome]) -> String {
    let heads = ["", "baseline", "metropolis", "ratio", "goal"];
    let rounds = outcomes[0].rounds();
    let mut report = format!(
        "## CPU µs per request\n\nMedian (least–most) of {rounds} rounds: of the process in question, and of all \
         processes for a whole path.\n\n"
    );
    let rows: Vec<_> = outcomes.iter().flat_map(Outcome::costs).collect();
    report += &report::table(&heads, &rows);
    let rows: Vec<_> = outcomes.iter().flat_map(Outcome::latencies).collect();
    if !rows.is_empty() {
        report += "\n## Time to an answer, one request at a time\n\nMedian of the requests of a round, in µs.\n\n";
        report += &report::table(&heads, &rows);
    }
    report += "\n## By process\n\nMedians of CPU µs per request. The last column is of requests one at a time.\n\n";
    let heads = [
        "",
        "who",
        "CPU µs per request",
        "sum",
        "of the load",
        "requests/s",
        "99 of 100 within, µs",
    ];
    let rows: Vec<_> = outcomes.iter().flat_map(Outcome::shares).collect();
    report + &report::table(&heads, &rows) + "\n"
}

impl Outcome {
    fn rounds(&self) -> usize {
        let rounds = self.found.iter().map(|found| found.samples[0].len());
        rounds.max().unwrap_or_default()
    }

    /// Each pair under each load, as far as both were measured.
    fn figures(&self) -> impl Iterator<Item = Figure<'_>> {
        let pairs = self.contest.pairs.iter();
        pairs.flat_map(move |pair| {
            let sides = [pair.baseline, pair.ours].map(|at| &self.found[at]);
            let is_there = sides.iter().all(|found| found.missing.is_none());
            let shapes = self.contest.shapes.iter().enumerate();
            shapes.filter(move |_| is_there).map(move |(at, shape)| {
                let [baseline, ours] = sides.map(|found| &found.samples[at][..]);
                Figure {
                    pair,
                    shape: *shape,
                    baseline,
                    ours,
                }
            })
        })
    }

    fn costs(&self) -> Vec<Vec<String>> {
        let cost = |sample: &Sample| match self.contest.counted {
            Counted::First => sample.spent[0],
            Counted::All => sample.spent.iter().sum(),
        };
        let costs = self.figures().map(|figure| {
            let goal = figure.pair.goal.filter(|_| figure.shape == Shape::USUAL);
            figure.row(cost, 2, goal)
        });
        costs.collect()
    }

    fn latencies(&self) -> Vec<Vec<String>> {
        let alone = self.figures().filter(|figure| figure.shape.is_alone());
        let p50 = |sample: &Sample| median(sample.latencies.iter().copied());
        let rows = alone.map(|figure| {
            let goal = figure.pair.latency_goal;
            figure.row(p50, 0, goal)
        });
        rows.collect()
    }

    fn shares(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for (at, shape) in self.contest.shapes.iter().enumerate() {
            let name = format!("{}, {shape}", self.contest.name());
            for (contender, found) in self.contest.contenders.iter().zip(&self.found) {
                rows.push(match found.missing {
                    Some(why) => vec![name.clone(), contender.name.to_owned(), why.to_owned()],
                    None => [
                        vec![name.clone(), contender.name.to_owned()],
                        shares(&found.processes, &found.samples[at]),
                    ]
                    .concat(),
                });
            }
        }
        rows
    }
}

/// Two contenders under one load.
struct Figure<'o> {
    pair: &'o Pair,
    shape: Shape,
    baseline: &'o [Sample],
    ours: &'o [Sample],
}

impl Figure<'_> {
    fn row(&self, of: impl Fn(&Sample) -> f64, digits: usize, goal: Option<f64>) -> Vec<String> {
        let [baseline, ours] =
            [self.baseline, self.ours].map(|samples| samples.iter().map(&of).collect::<Vec<_>>());
        let ratio = ratio(&ours, &baseline);
        vec![
            figure(self.pair, self.shape),
            format!("{:.digits$}", Spread::of(baseline)),
            format!("{:.digits$}", Spread::of(ours)),
            ratio.to_string(),
            verdict(ratio.median, goal),
        ]
    }
}

/// Where the CPU time of one contender went under one load.
fn shares(processes: &[&str], samples: &[Sample]) -> Vec<String> {
    let of = |figure: &dyn Fn(&Sample) -> f64| median(samples.iter().map(figure));
    let shares = processes
        .iter()
        .enumerate()
        .map(|(at, name)| format!("{name} {:.2}", of(&|sample| sample.spent[at])));
    let mut latencies = samples
        .iter()
        .flat_map(|sample| sample.latencies.iter().copied())
        .collect::<Vec<f64>>();
    vec![
        shares.collect::<Vec<_>>().join(", "),
        format!("{:.2}", of(&|sample| sample.spent.iter().sum())),
        format!("{:.2}", of(&|sample| sample.load)),
        format!("{:.0}", of(&|sample| sample.per_second)),
        match latencies.is_empty() {
            true => "–".to_owned(),
            false => format!("{:.0}", percentile(&mut latencies, 0.99)),
        },
    ]
}
