//! What becomes of every single request while servers, connections, workers and peers fail.
//!
//! Each test says how many requests it started and asserts what every one of them came to: a value, or an error that
//! says what may have happened. None may hang.

#![expect(clippy::unwrap_used, reason = "a test ends with what it cannot unwrap")]

mod cluster;
mod crowd;
mod load;
mod memory;
mod poison;
mod server;
mod worker;

use std::time::Duration;

use metropolis::{Bus, NatsOptions};
use metropolis_tests::within;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long anything may take at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// Work that takes a while.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Work {
    ms: u64,
}

/// Does as it is told; some calls end in place and some have to wait.
#[metropolis::task(subject = "faults.work", timeout = "1s")]
async fn work(work: Work) -> u64 {
    if work.ms > 0 {
        tokio::time::sleep(Duration::from_millis(work.ms)).await;
    }
    work.ms
}

/// A bus with a connection of its own.
async fn connect(url: &str, role: &str) -> Bus {
    within(PATIENCE, Bus::connect(NatsOptions::new(url, role)))
        .await
        .unwrap()
}
