//! The processes a contest is made of. Each is this binary with a role, a side and the address of a server.

use metropolis_tests::measure::Player;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod baseline;
mod ours;

/// Who plays.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    Baseline,
    Ours,
}

/// What is played.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Worker,
    Gateway,
    Embedded,
}

/// The input and the value of every task, on both sides.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Ping {
    id: u64,
    text: String,
}

impl Role {
    /// Starts the process of one side and waits until it is ready.
    pub(crate) async fn start(self, side: Side, nats_url: &str) -> Player {
        Player::role(&[&format!("{self:?}"), &format!("{side:?}"), nats_url]).await
    }
}

/// Plays the role that the words name, until it is killed.
///
/// On Tokio's default runtime, as `#[tokio::main]` makes it, because that is what both sides' users write.
#[tokio::main]
pub(crate) async fn play(words: &[String]) {
    let [role, side, nats_url] = words else {
        panic!("a role, a side and the URL of a server are needed, not {words:?}");
    };
    match (role.as_str(), side.as_str()) {
        ("Worker", "Baseline") => baseline::worker(nats_url).await,
        ("Worker", "Ours") => ours::worker(nats_url).await,
        ("Gateway", "Baseline") => baseline::gateway(nats_url).await,
        ("Gateway", "Ours") => ours::gateway(nats_url).await,
        ("Embedded", "Baseline") => baseline::embedded().await,
        ("Embedded", "Ours") => ours::embedded().await,
        _ => panic!("there is no {role} of {side}"),
    }
}
