//! A task that calls a task of another process: start a NATS server and `hello-worker`, then
//! `METROPOLIS_NATS_URL=nats://127.0.0.1:4222 cargo run --bin caller` and `curl localhost:8080/palindrome?data=anna`.

use metropolis::{Context, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Text {
    data: String,
}

/// Served by `hello-worker`; declared here, it has a type, a route and a client.
#[metropolis::task(subject = "foo.bar", queue = "worker", timeout = "2s")]
async fn reverse(text: Text) -> Result<String, Fault>;

/// Tells whether a text reads the same from both ends.
///
/// The call inside gets what is left of this task's five seconds, or its own two if that is less.
#[metropolis::task(subject = "palindrome.get", timeout = "5s")]
async fn is_palindrome(ctx: &Context, text: Text) -> Result<bool, Fault> {
    let reversed = ctx.call::<reverse>(&text).await?;
    Ok(reversed == text.data)
}

#[tokio::main]
async fn main() -> Result<(), metropolis::RunError> {
    metropolis_gateway::run().await
}
