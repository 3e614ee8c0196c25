//! More requests than can be answered: what becomes of those that could, and of the rest.
//!
//! `cargo bench -p metropolis-tests --bench overload`, with `-- works` only scenarios of that name, with `-- quick` once and shortly.
//! First the most that is answered per second is looked for, then multiples of it are offered, whatever becomes of them.
//! Of two cores, either the worker has one to itself, or worker, server and gateway share it; the load is on the other. Where
//! they share it, plain axum and async-nats are asked for as much, in turns with ours.

use metropolis_tests::measure::cores::Cores;
use metropolis_tests::measure::plan::Part;
use metropolis_tests::measure::{Plan, block_on, limits, report};

use self::roles::Side;

mod roles;
mod scenario;
mod tables;

/// Rounds; each of them goes through all scenarios.
const ROUNDS: usize = 3;

fn main() {
    match Part::of_this_process() {
        Part::Role(words) => roles::play(&words),
        Part::Bench(plan) => block_on(bench(&plan)),
    }
}

async fn bench(plan: &Plan) {
    let Some(cores) = Cores::apart() else {
        return report::progress("overload wants two cores; nothing was measured");
    };
    let files = limits::raise_open_files();
    let mut report = String::from("## Overload\n");
    for scenario in scenario::ALL.iter().filter(|one| plan.wants(one.name)) {
        let (mut ours, mut baseline) = (Vec::new(), Vec::new());
        for _ in 0..plan.rounds(ROUNDS) {
            report::progress(scenario.name);
            ours.push(scenario.run(Side::Ours, plan, &cores, files).await);
            if scenario.is_compared() {
                report::progress(&format!("{}, the baseline", scenario.name));
                baseline.push(scenario.run(Side::Baseline, plan, &cores, files).await);
            }
        }
        report += &tables::of(scenario, &ours, &baseline);
    }
    report::publish("overload", &report);
}
