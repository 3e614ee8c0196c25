//! The workers of this process: they subscribe before the first request can arrive and stop after the last one.

use std::time::{Duration, Instant};

use metropolis::{RunningWorker, Worker, worker};

/// What the workers get at the end of a stop even when the gateway has used up all of its time.
const WORKERS_AT_LEAST: Duration = Duration::from_secs(3);

/// Starts workers one after the other, so that the first mistake is the one that is told.
pub(crate) async fn start(workers: Vec<Worker>) -> Result<Vec<RunningWorker>, worker::StartError> {
    let mut running = Vec::new();
    for worker in workers {
        running.push(worker.start().await?);
    }
    Ok(running)
}

/// Stops workers side by side.
pub(crate) async fn stop(workers: Vec<RunningWorker>, deadline: Instant) {
    let deadline = deadline.max(Instant::now() + WORKERS_AT_LEAST);
    let mut stops = tokio::task::JoinSet::new();
    for worker in workers {
        stops.spawn(worker.stop_by(deadline));
    }
    while stops.join_next().await.is_some() {}
}
