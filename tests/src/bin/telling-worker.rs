//! A worker for the tests of telemetry. Serves the tasks that its arguments name, as a service of the first one's name.

use std::time::Duration;

use metropolis::{Context, Fault, RunError, Settings, Worker};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Word {
    text: String,
}

/// Asks another process, and answers what that said.
#[metropolis::task(subject = "telling.{text}.get", timeout = "5s")]
async fn front(ctx: &Context, word: Word) -> Result<String, Fault> {
    Ok(ctx.call::<back>(&word).await?)
}

#[metropolis::task(subject = "telling.back", http = "none", timeout = "5s")]
async fn back(word: Word) -> Result<String, Fault> {
    let _span = tracing::info_span!("thinking", length = word.text.len()).entered();
    match word.text.as_str() {
        "fails" => Err(Fault::new(409, "as_wished", "it fails as wished")),
        text => Ok(text.to_uppercase()),
    }
}

#[metropolis::task(subject = "telling.panics")]
async fn panics() {
    panic!("a panic\nof two lines");
}

/// Fails for a reason that only the log is told.
#[metropolis::task(subject = "telling.breaks")]
async fn breaks() -> Result<(), Fault> {
    Err(std::io::Error::other("a cause for the log"))?
}

#[tokio::main]
async fn main() -> Result<(), RunError> {
    let settings = Settings::from_env()?;
    let bus = metropolis::connect(&settings, "worker").await?;
    let mut worker = Worker::configured(bus, &settings).with_stop_timeout(Duration::from_secs(5));
    for task in std::env::args().skip(1) {
        worker = match &*task {
            "front" => worker.serve::<front>(),
            "back" => worker.serve::<back>(),
            "panics" => worker.serve::<panics>(),
            "breaks" => worker.serve::<breaks>(),
            other => panic!("there is no task {other}"),
        }
        .with_service(task);
    }
    worker.run().await?;
    Ok(())
}
