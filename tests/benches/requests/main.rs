//! Whole requests: CPU per request and process, in rounds that go through all contenders, the baselines beside metropolis.
//!
//! `cargo bench -p metropolis-tests --bench requests`. With `-- worker "64 in flight"` only the figures whose name holds
//! all of these words; with `-- quick` few and short rounds, to see that it works. Whatever is measured runs in a process
//! of its own: the program that users run, or this binary again with a role as its argument.

use metropolis_tests::measure::plan::Part;
use metropolis_tests::measure::{Plan, block_on, report};

mod cast;
mod contest;
mod contests;
mod memory;
mod nginx;
mod roles;
mod shape;
mod start;

fn main() {
    match Part::of_this_process() {
        Part::Role(words) => roles::play(&words),
        Part::Bench(plan) => block_on(bench(&plan)),
    }
}

async fn bench(plan: &Plan) {
    let mut outcomes = Vec::new();
    for contest in contests::all() {
        if let Some(contest) = contest.wanted(plan) {
            report::progress(contest.name());
            outcomes.push(contest.run(plan).await);
        }
    }
    let mut report = String::new();
    if !outcomes.is_empty() {
        report += &contest::report(&outcomes);
    }
    report += &start::report(plan).await;
    report += &memory::report(plan).await;
    report::publish("requests", &report);
}
