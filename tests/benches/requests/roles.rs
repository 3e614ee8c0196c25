//! The processes a contest is made of. Each is this binary with a role, a side and the address of a server.

use std::net::SocketAddr;

use metropolis_tests::Process;
use metropolis_tests::process::address_in;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod baseline;
mod ours;

/// What tells a process of a contest from the bench itself.
pub(crate) const ARGUMENT: &str = "role";

/// Printed once a role can be asked; an HTTP role adds its address.
const READY: &str = "ready";

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

/// A process that can be asked.
pub(crate) struct Player {
    process: Process,
    /// Where it listens for HTTP; nothing of use for a worker.
    pub(crate) address: Option<SocketAddr>,
}

impl Role {
    /// Starts the process of one side and waits until it is ready.
    pub(crate) async fn start(self, side: Side, nats_url: &str) -> Player {
        let bench = std::env::current_exe().expect("a running bench has an executable");
        let process = Process::program(bench)
            .args([
                ARGUMENT,
                &format!("{self:?}"),
                &format!("{side:?}"),
                nats_url,
            ])
            .start()
            .await;
        let line = process.wait_for_line(|line| line.starts_with(READY)).await;
        Player {
            address: address_in(&line),
            process,
        }
    }
}

impl Player {
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// Plays the role that the arguments name, until it is killed.
///
/// On Tokio's default runtime, as `#[tokio::main]` makes it, because that is what both sides' users write.
#[tokio::main]
pub(crate) async fn play(arguments: impl Iterator<Item = String>) {
    let arguments: Vec<String> = arguments.collect();
    let [role, side, nats_url] = arguments.as_slice() else {
        panic!("a role, a side and the URL of a server are needed, not {arguments:?}");
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

/// Tells the bench that this process can be asked.
fn ready(address: &str) {
    eprintln!("{READY} {address}");
}
