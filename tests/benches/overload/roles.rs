//! The processes that are asked for too much. Each is this binary with a role, a side and the address of a server, but for
//! the gateway of ours, which is the program that users install.

use std::hint::black_box;
use std::time::Duration;

use metropolis_tests::measure::Player;
use rustix::time::{ClockId, clock_gettime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod baseline;
mod ours;

/// What the tasks take, on both sides.
const WAIT: Duration = Duration::from_millis(2);
const WORK: Duration = Duration::from_micros(200);
const LONGER: Duration = Duration::from_millis(1);

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Ours,
    Baseline,
}

/// The input and the value of every task, on both sides.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Ping {
    id: u64,
    text: String,
}

impl Side {
    /// Starts the worker and waits until it serves.
    pub(crate) async fn worker(self, nats_url: &str) -> Player {
        Player::role(&["worker", &format!("{self:?}"), nats_url]).await
    }

    /// Starts the gateway and waits until it listens.
    pub(crate) async fn gateway(self, nats_url: &str) -> Player {
        match self {
            Self::Ours => Player::gateway(nats_url, &[]).await,
            Self::Baseline => Player::role(&["gateway", "Baseline", nats_url]).await,
        }
    }
}

/// Plays the role that the words name, until it is killed.
#[tokio::main]
pub(crate) async fn play(words: &[String]) {
    let [role, side, nats_url] = words else {
        panic!("a role, a side and the URL of a server are needed, not {words:?}");
    };
    match (role.as_str(), side.as_str()) {
        ("worker", "Ours") => ours::worker(nats_url).await,
        ("worker", "Baseline") => baseline::worker(nats_url).await,
        ("gateway", "Baseline") => baseline::gateway(nats_url).await,
        _ => panic!("there is no {role} of {side}"),
    }
}

/// Takes so much time of a core. What passes while others have the core does not count.
fn compute(time: Duration, ping: &Ping) {
    if time.is_zero() {
        return;
    }
    let end = processor_time() + time;
    while processor_time() < end {
        black_box(ping);
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().expect("no time is negative")
}
