//! Telemetry: what a process counts while it runs, and how it is shown to whoever watches.
//!
//! Spans are recorded where the environment names a collector, and only of requests that were chosen before.
//! Counters live beside what they count and are plain atomics; nothing is gathered before somebody asks. What is asked
//! for is written by a library of the field, [`prometheus_client`], as `/metrics` and in part as `STATS`. The names of
//! all metrics are in `docs/operations.md`.

mod buses;
mod counts;
pub mod exposition;
mod histogram;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg_attr(
    not(any(test, feature = "otlp")),
    expect(dead_code, reason = "nothing records")
)]
mod sampler;
pub mod spans;
mod tally;
mod tasks;

pub use buses::BusFigures;
pub(crate) use counts::Counts;
pub use exposition::Exposition;
pub use histogram::{BOUNDS, Distribution, Histogram};
pub use spans::Trace;
pub use tally::{OTHER, Tally};
pub use tasks::TaskFigures;

use std::time::Duration;

use crate::config::Settings;

/// How long [`flush`] waits at most.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Starts the log, and recording where the environment names a collector. What the application has set up stays.
pub(crate) fn start(settings: &Settings) {
    #[cfg(feature = "otlp")]
    match otlp::start(settings) {
        Ok(spans) => crate::log::init(settings, spans),
        Err(why) => {
            crate::log::init(settings, None);
            tracing::warn!("no spans are recorded: {why}");
        }
    }
    #[cfg(not(feature = "otlp"))]
    {
        crate::log::init(settings, None);
        if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
            tracing::warn!(
                "no spans are recorded: OTEL_EXPORTER_OTLP_ENDPOINT is set, and this program was built without the feature `otlp` of metropolis"
            );
        }
    }
}

/// Sends and writes what was recorded and logged so far; takes some seconds at most, and nothing where there is nothing.
///
/// For a program with a `main` of its own that ends at once after its last lines; [`run`](crate::run()) and a gateway's
/// `run` do it themselves.
pub async fn flush() {
    let (done, is_done) = tokio::sync::oneshot::channel();
    // A thread of its own: what is sent goes out on the runtime, which must not be blocked meanwhile, and a runtime that
    // ends would wait for a thread of its own.
    let flushing = std::thread::Builder::new().spawn(move || {
        #[cfg(feature = "otlp")]
        otlp::flush();
        crate::log::flush();
        let _ = done.send(());
    });
    if flushing.is_ok() {
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, is_done).await;
    }
}
