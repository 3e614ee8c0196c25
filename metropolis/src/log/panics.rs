//! Panics as log lines. Rust's own report of a panic is no JSON, waits for standard error, and knows no limit: a task that
//! panics ten thousand times a second would write as many.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::thread;

use super::flood::Flood;

/// From now on panics are logged. Only called where the log is ours.
pub(super) fn log() {
    let flood = Flood::new();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string);
        let place = place.unwrap_or_default();
        let tell = {
            let place = place.clone();
            move |more| tracing::error!(place, more, "… and {more} more panics like it")
        };
        if flood.lets_through(&place, tell) {
            line(info, &place);
        }
        // The process may end with this.
        if !is_of_runtime() {
            super::flush();
        }
    }));
}

fn line(info: &PanicHookInfo<'_>, place: &str) {
    let text = info.payload_as_str().unwrap_or("with no text");
    // Only where `RUST_BACKTRACE` asks for one.
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    let thread = thread::current();
    let thread = thread.name().unwrap_or_default();
    tracing::error!(place, thread, backtrace, "panicked: {text}");
}

/// A panic on a thread of a runtime ends a task and not the process; waiting for the log would hold up all others.
fn is_of_runtime() -> bool {
    tokio::runtime::Handle::try_current().is_ok() && thread::current().name() != Some("main")
}
