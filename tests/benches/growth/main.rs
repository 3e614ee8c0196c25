//! How cost grows: with routes, with tasks, with connections, with payloads.
//!
//! `cargo bench -p metropolis-tests --bench growth`, with `-- routes` only what grows with routes, with `-- quick` fewer
//! and shorter rounds. Every process is new at each step.

use metropolis_tests::measure::plan::Part;
use metropolis_tests::measure::{Plan, block_on, limits, report};

mod connections;
mod payloads;
mod roles;
mod routes;
mod steps;
mod tasks;

fn main() {
    match Part::of_this_process() {
        Part::Role(words) => roles::play(&words),
        Part::Bench(plan) => block_on(bench(&plan)),
    }
}

async fn bench(plan: &Plan) {
    limits::raise_open_files();
    let mut report = String::from(
        "## Growth\n\nMedians. Beside each figure, as a power of the size, how it grew since the step before: n^0.00 is \
         constant, n^1.00 linear; time and memory that even the smallest size takes are taken off where they stand for \
         a whole process.\n",
    );
    if plan.wants("routes") {
        report += &routes::report(plan).await;
    }
    if plan.wants("tasks") {
        report += &tasks::report(plan).await;
    }
    if plan.wants("connections") {
        report += &connections::report(plan).await;
    }
    if plan.wants("payloads") {
        report += &payloads::report(plan).await;
    }
    report::publish("growth", &report);
}
