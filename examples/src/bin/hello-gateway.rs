//! The gateway in front of `hello-worker`: `METROPOLIS_NATS_URL=nats://127.0.0.1:4222 cargo run --bin hello-gateway`.
//! It holds declarations only, and serves HTTP for however many workers there are.

use metropolis_gateway::Gateway;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Text {
    data: String,
}

/// Returns the text reversed.
#[metropolis::task(subject = "foo.bar", queue = "worker")]
async fn reverse(text: Text) -> String;

/// Returns the id of the process that answered.
#[metropolis::task(subject = "foo.who.get", queue = "worker")]
async fn who() -> u32;

#[tokio::main]
async fn main() -> Result<(), metropolis::RunError> {
    Gateway::from_env().await?.run().await
}
