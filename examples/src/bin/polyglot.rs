//! A service in Rust and one in Python behind one gateway, each calling the other. Start a NATS server, then each of
//! `cargo run --bin metropolis-gateway -- --nats-url nats://127.0.0.1:4222`, `python examples/polyglot/service.py` and
//! `METROPOLIS_NATS_URL=nats://127.0.0.1:4222 cargo run --bin polyglot`, and
//! `curl localhost:8080/text/report -H 'content-type: application/json' -d '{"text":"to be or not"}'`.

use metropolis::{Context, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Text {
    text: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Count {
    words: u32,
}

#[derive(Serialize, JsonSchema)]
struct Report {
    words: u32,
    letters: usize,
}

/// Served by `service.py`; this declaration is all it takes to call it.
#[metropolis::task(subject = "words.count", timeout = "2s")]
async fn count(text: Text) -> Result<Count, Fault>;

/// Counts letters here and words in Python.
#[metropolis::task(subject = "text.report")]
async fn report(ctx: &Context, text: Text) -> Result<Report, Fault> {
    let Count { words } = ctx.call::<count>(&text).await?;
    let letters = text.text.chars().filter(|c| c.is_alphabetic()).count();
    Ok(Report { words, letters })
}

/// Returns a text in capitals; `service.py` calls it for its greeting.
#[metropolis::task(subject = "text.shout")]
async fn shout(text: Text) -> Result<Text, Fault> {
    if text.text.is_empty() {
        return Err(Fault::new(
            422,
            "nothing_to_shout",
            "there is nothing to shout",
        ));
    }
    Ok(Text {
        text: text.text.to_uppercase(),
    })
}

#[tokio::main]
async fn main() -> Result<(), metropolis::RunError> {
    metropolis::run().await
}
