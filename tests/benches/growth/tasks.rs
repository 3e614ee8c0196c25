//! Tasks of one worker: cost of a call, memory, time to start.

use std::time::Duration;

use metropolis_tests::NatsServer;
use metropolis_tests::measure::load::Load;
use metropolis_tests::measure::{Plan, books};
use tokio::time::sleep;

use crate::roles::{self, SMALL, sample, timed};
use crate::steps::{self, Figure};

const SIZES: [usize; 5] = [1, 10, 100, 200, 500];
const IN_FLIGHT: usize = 64;
/// How often each task is called before anything counts, at least: by its first dozens of polls a worker learns that a
/// task is quick.
const CALLS: usize = 100;
/// How long the worker is left alone before its memory is read.
const REST: Duration = Duration::from_millis(300);

pub(crate) async fn report(plan: &Plan) -> String {
    let columns = [
        Figure::whole("worker, CPU µs per request", 2),
        Figure::RESIDENT,
        Figure::START,
        Figure::START_CPU,
    ];
    steps::table(plan, "tasks", &SIZES, columns, async |size| {
        measure(plan, size).await
    })
    .await
}

async fn measure(plan: &Plan, tasks: usize) -> [f64; 4] {
    let server = NatsServer::start().await;
    let (worker, [start, start_cpu]) = timed(roles::worker(&server.url(), tasks)).await;
    sleep(REST).await;
    let memory = books::resident_mb(worker.pid());
    let subjects: Vec<String> = (0..tasks)
        .map(|number| format!("bench.task{number}"))
        .collect();
    let load = Load::over_nats(&server.url(), &subjects, IN_FLIGHT, SMALL).await;
    let sample = sample(plan, load, CALLS * tasks, &[worker.pid()]).await;
    [sample.spent[0], memory, start, start_cpu]
}
