//! Worker and gateway in one process, no server: `cargo run --bin hello`, then
//! `curl --json '{"data":"asdf"}' localhost:8080/foo/bar`.

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

/// Returns the text reversed, for whoever asks with a query.
#[metropolis::task(subject = "foo.bar.get", queue = "worker")]
async fn reverse_query(text: Text) -> String {
    reverse(text).await
}

#[tokio::main]
async fn main() -> Result<(), metropolis::RunError> {
    metropolis_gateway::run().await
}
