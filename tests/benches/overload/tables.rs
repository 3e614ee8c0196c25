//! A table of each scenario, and what came of the goal.

use std::collections::BTreeMap;

use metropolis_tests::measure::report::{median, percentile, table};

use crate::scenario::{Run, Scenario, Step};

/// What goodput must be under the highest load, as a share of its peak and of the capacity.
const GOODPUT_GOAL: f64 = 0.9;

/// The load may be so late, in µs, before its figures say more about itself.
const LATENESS_MAX: f64 = 1_000.0;

/// Lines of what gateway and worker said of trouble.
const COMPLAINTS_MAX: usize = 10;

pub(crate) fn of(scenario: &Scenario, runs: &[Run], baseline: &[Run]) -> String {
    let steps = runs[0].steps.len();
    let rows: Vec<_> = (0..steps).map(|step| row(runs, step)).collect();
    let heads = [
        "offered",
        "requests/s",
        "goodput/s",
        "of its peak",
        "answered 200",
        "503, Retry-After",
        "codes",
        "anything else",
        "not sent",
        "200 within, ms",
        "503 within, ms",
        "gateway, MB",
        "worker, MB",
    ];
    format!(
        "\n### {}\n\n{} Medians of {} runs; times of half and of 99 of 100 requests.\n\n{}\n{}{}",
        scenario.name,
        scenario.about,
        runs.len(),
        table(&heads, &rows),
        verdict(runs),
        comparison(runs, baseline)
    )
}

/// How the baseline did, if there is one.
fn comparison(runs: &[Run], baseline: &[Run]) -> String {
    let Some(first) = baseline.first() else {
        return String::new();
    };
    let last = first.steps.len() - 1;
    let of = |runs: &[Run], figure: fn(&Run) -> f64| median(runs.iter().map(figure));
    let at_last = |run: &Run| run.steps.last().map_or(0.0, |step| step.outcome.goodput);
    format!(
        "Plain axum + async-nats under the highest load: {:.0} a second, {:.0} % of its peak and {:.0} % of its capacity, \
         {:.0}. Here: {:.0} a second, and a capacity of {:.0}.\n",
        of(baseline, at_last),
        goodput(baseline, last, Run::peak) * 100.0,
        goodput(baseline, last, |run| run.capacity) * 100.0,
        of(baseline, |run| run.capacity),
        of(runs, at_last),
        of(runs, |run| run.capacity),
    )
}

fn row(runs: &[Run], step: usize) -> Vec<String> {
    let of =
        |figure: &dyn Fn(&Step) -> f64| median(runs.iter().map(|run| figure(&run.steps[step])));
    let share = |part: &dyn Fn(&Step) -> u64| {
        let share = of(&|step| part(step) as f64 / step.outcome.offered.max(1) as f64);
        format!("{:.1} %", share * 100.0)
    };
    vec![
        format!("{} ×", runs[0].steps[step].load),
        format!("{:.0}", of(&|step| step.per_second)),
        format!("{:.0}", of(&|step| step.outcome.goodput)),
        format!("{:.0} %", goodput(runs, step, Run::peak) * 100.0),
        share(&|step| step.answered(200)),
        share(&Step::refused),
        codes(runs, step),
        share(&Step::other),
        share(&|step| step.outcome.unsent),
        times(runs, step, 200),
        times(runs, step, 503),
        format!("{:.1}", of(&|step| step.memory[0])),
        format!("{:.1}", of(&|step| step.memory[1])),
    ]
}

/// Goodput as a share of something.
fn goodput(runs: &[Run], step: usize, of: impl Fn(&Run) -> f64) -> f64 {
    let share = |run: &Run| run.steps[step].outcome.goodput / of(run);
    median(runs.iter().map(share))
}

/// Why requests were refused: shares of those offered, over all runs.
fn codes(runs: &[Run], step: usize) -> String {
    let outcomes = runs.iter().map(|run| &run.steps[step].outcome);
    let offered: u64 = outcomes.clone().map(|outcome| outcome.offered).sum();
    let mut codes = BTreeMap::new();
    for (code, count) in outcomes.flat_map(|outcome| &outcome.refusals) {
        *codes.entry(code).or_insert(0) += count;
    }
    let share = |(code, count)| format!("{code} {:.1} %", count as f64 / offered as f64 * 100.0);
    let shares: Vec<String> = codes.into_iter().map(share).collect();
    match shares.is_empty() {
        true => "–".to_owned(),
        false => shares.join(", "),
    }
}

fn times(runs: &[Run], step: usize, status: u16) -> String {
    let mut times: Vec<f64> = runs
        .iter()
        .filter_map(|run| run.steps[step].outcome.answers.get(&status))
        .flatten()
        .map(|micros| micros / 1e3)
        .collect();
    if times.is_empty() {
        return "–".to_owned();
    }
    let [half, most] = [0.5, 0.99].map(|share| percentile(&mut times, share));
    format!("{half:.1}, {most:.1}")
}

fn verdict(runs: &[Run]) -> String {
    let last = runs[0].steps.len() - 1;
    let share = goodput(runs, last, Run::peak);
    let share_of_capacity = goodput(runs, last, |run| run.capacity);
    let met = if share.min(share_of_capacity) >= GOODPUT_GOAL {
        "met"
    } else {
        "**not met**"
    };
    let others: u64 = runs
        .iter()
        .map(|run| run.steps[last].other() + run.steps[last].outcome.unsent)
        .sum();
    let lateness = runs.iter().flat_map(|run| &run.steps);
    let lateness = lateness.fold(0.0, |most: f64, step| most.max(step.outcome.lateness));
    let late = match lateness > LATENESS_MAX {
        true => format!(" The load itself was up to {:.1} ms late.", lateness / 1e3),
        false => String::new(),
    };
    let complaints: Vec<String> = runs
        .iter()
        .flat_map(|run| &run.complaints)
        .map(|line| format!("\n    {line}"))
        .take(COMPLAINTS_MAX)
        .collect();
    format!(
        "Goodput under the highest load is {:.0} % of its peak and {:.0} % of the capacity (≥ {:.0} % of both, {met}); \
         {others} requests of all runs got neither a value nor a 503 with Retry-After.{late}\n{}\n",
        share * 100.0,
        share_of_capacity * 100.0,
        GOODPUT_GOAL * 100.0,
        complaints.concat()
    )
}

impl Step {
    fn answered(&self, status: u16) -> u64 {
        self.outcome
            .answers
            .get(&status)
            .map_or(0, |times| times.len() as u64)
    }

    fn refused(&self) -> u64 {
        self.answered(503) - self.outcome.without_retry_after
    }

    /// Requests that were sent and got neither.
    fn other(&self) -> u64 {
        let sent = self.outcome.offered - self.outcome.unsent;
        sent - self.answered(200) - self.refused()
    }
}
