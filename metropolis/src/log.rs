//! The log of a process that left its set-up to [`run`](crate::run()): lines on standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, fmt};

/// Installs a subscriber, unless the application has one already. Colours are for people, not for files.
pub(crate) fn init(filter: &str) {
    let filter = EnvFilter::builder().parse_lossy(filter);
    let _ = fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .with_target(false)
        .try_init();
}
