//! Resident memory of every process: at rest, after some requests, and after a million of them.

use std::time::Duration;

use metropolis_tests::measure::{Plan, books, report};
use tokio::time::sleep;

use crate::cast::{Cast, Stage};
use crate::roles::Side;
use crate::shape::Shape;

const NAME: &str = "memory after a million requests";

/// How many requests were answered when memory is read; the second ones for a quick look.
const MARKS: [[u64; 2]; 2] = [[100_000, 1_000_000], [10_000, 50_000]];

/// How often the load is asked how far it is.
const LOOK: Duration = Duration::from_millis(10);

/// How long processes are left alone before their memory is read.
const REST: Duration = Duration::from_millis(500);

/// The figures, if they are wanted.
pub(crate) async fn report(plan: &Plan) -> String {
    if !plan.wants(NAME) {
        return String::new();
    }
    report::progress(NAME);
    let casts = [
        ("plain axum + async-nats", Cast::Whole(Side::Baseline)),
        ("metropolis", Cast::Whole(Side::Ours)),
        ("plain axum", Cast::Embedded(Side::Baseline)),
        ("metropolis, embedded", Cast::Embedded(Side::Ours)),
    ];
    let marks = plan.either(MARKS[0], MARKS[1]);
    let mut rows = Vec::new();
    for (who, cast) in casts {
        rows.extend(of_cast(who, cast, marks).await);
    }
    let [some, all] = marks.map(|mark| format!("after {mark} requests"));
    let heads = ["resident, MB", "process", "at rest", &some, &all];
    format!(
        "## Memory\n\n{}, and then none.\n\n{}\n",
        Shape::USUAL,
        report::table(&heads, &rows)
    )
}

/// A row for each process.
async fn of_cast(who: &str, cast: Cast, marks: [u64; 2]) -> Vec<Vec<String>> {
    let stage = cast.start().await;
    let mut figures = vec![resident(&stage).await];
    let mut answered = 0;
    for mark in marks {
        run(&stage, mark - answered).await;
        answered = mark;
        figures.push(resident(&stage).await);
    }
    let processes = stage.processes.iter().enumerate();
    let rows = processes.map(|(at, (name, _))| {
        let of_process = figures.iter().map(|figures| format!("{:.1}", figures[at]));
        let names = [who, name].map(str::to_owned);
        names.into_iter().chain(of_process).collect()
    });
    rows.collect()
}

async fn run(stage: &Stage, requests: u64) {
    let mut load = stage.load(Shape::USUAL).await;
    while load.answered() < requests {
        sleep(LOOK).await;
    }
}

async fn resident(stage: &Stage) -> Vec<f64> {
    sleep(REST).await;
    stage.pids().into_iter().map(books::resident_mb).collect()
}
