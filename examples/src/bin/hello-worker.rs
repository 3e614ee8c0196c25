//! A worker, in any number of copies: `METROPOLIS_NATS_URL=nats://127.0.0.1:4222 cargo run --bin hello-worker`.
//! Its tasks are reached through `hello-gateway`.

use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Text {
    data: String,
}

/// Returns the text reversed.
#[metropolis::task(subject = "foo.bar", queue = "worker")]
async fn reverse(text: Text) -> String {
    text.data.chars().rev().collect()
}

/// Returns the id of the process that answered.
#[metropolis::task(subject = "foo.who.get", queue = "worker")]
async fn who() -> u32 {
    std::process::id()
}

#[tokio::main]
async fn main() -> Result<(), metropolis::RunError> {
    metropolis::run().await
}
