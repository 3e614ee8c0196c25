//! The log of a process that left its set-up to [`run`](crate::run()): lines on standard error.
//!
//! An application that installs a `tracing` subscriber of its own first keeps it, and then nothing here does anything.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

mod filter;

pub use filter::{FILTER_MAX, FilterError, change_filter, check_filter, override_filter};

/// Installs a subscriber, unless the application has one already. Colours are for people, not for files.
pub(crate) fn init(filter: &str) {
    let lines = fmt::layer()
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .with_target(false);
    let (layer, handle) = filter::reloadable(filter);
    if registry().with(lines).with(layer).try_init().is_ok() {
        filter::keep(handle, filter);
    }
}
