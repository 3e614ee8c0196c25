//! The log of a process that left its set-up to [`run`](crate::run()): lines on standard error.
//!
//! For people on a terminal, JSON otherwise. An application that installs a `tracing` subscriber of its own first keeps
//! it, and then nothing here does anything. Which fields a line has is in `docs/operations.md`.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, registry};

use crate::config::{LogFormat, Settings};

mod filter;
mod flood;
mod json;
mod panics;
mod sink;

pub use filter::{FILTER_MAX, FilterError, change_filter, check_filter, override_filter};
pub use flood::{Flood, LINES_MAX};
pub use sink::{dropped_lines, flush};

/// The target of the gateway's access lines, by which a filter can switch them: `metropolis::access=off`.
pub const ACCESS: &str = "metropolis::access";

/// The target of the spans of requests.
pub(crate) const SPANS: &str = "metropolis::trace";

/// A part of a subscriber.
type Part = Box<dyn Layer<Registry> + Send + Sync>;

/// Installs a subscriber, unless the application has one already. `spans` has a filter of its own.
pub(crate) fn init(settings: &Settings, spans: Option<Part>) {
    let lines = lines(settings.log_format);
    let installed = match spans {
        // One filter for all costs less than one for each.
        None => {
            let (filter, handle) = filter::reloadable(&settings.log);
            let installed = registry().with(lines).with(filter).try_init();
            installed.map(|()| filter::keep(handle, &settings.log))
        }
        Some(spans) => {
            let (filter, handle) = filter::reloadable(&settings.log);
            // What is recorded of a request says nothing in a line that the line does not say better.
            let filter = filter.and(filter_fn(|meta| meta.target() != SPANS));
            let parts = vec![spans, lines.with_filter(filter).boxed()];
            let installed = registry().with(parts).try_init();
            installed.map(|()| filter::keep(handle, &settings.log))
        }
    };
    if installed.is_ok() {
        panics::log();
    }
}

/// Lines in the form that is wanted. Colours are for people, not for files.
fn lines(format: LogFormat) -> Part {
    let is_terminal = stderr().is_terminal();
    let lines = fmt::layer().with_writer(sink::writer);
    match format {
        LogFormat::Text => lines.with_ansi(is_terminal).with_target(false).boxed(),
        LogFormat::Auto if is_terminal => lines.with_target(false).boxed(),
        LogFormat::Json | LogFormat::Auto => {
            lines.with_ansi(false).event_format(json::Json).boxed()
        }
    }
}
