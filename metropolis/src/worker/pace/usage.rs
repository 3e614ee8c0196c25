//! What a thread uses: processor time, and how often it slept.
//!
//! The time that has passed does not tell a poll that works or blocks from one whose thread had lost its core.

use std::ffi::c_long;
use std::time::Duration;

/// What a thread has used so far, where the system tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage(Option<Figures>);

#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
struct Figures {
    worked: Duration,
    sleeps: c_long,
}

impl Usage {
    /// What this thread has.
    pub(super) fn so_far() -> Self {
        Self(figures())
    }

    /// How much of the time since then this thread had for itself. A thread that slept in it did so by its own doing, and has
    /// all of it; one that did not has what it worked, and others had its core for the rest.
    pub(super) fn own_part_of(self, time: Duration) -> Duration {
        match (self.0, figures()) {
            (Some(then), Some(now)) if then.sleeps == now.sleeps => {
                now.worked.saturating_sub(then.worked)
            }
            _ => time,
        }
    }
}

#[cfg(target_os = "linux")]
fn figures() -> Option<Figures> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::time::{ClockId, clock_gettime};

    // `getrusage` knows processor time as well, but only as of the last tick.
    let worked = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok()?;
    let usage = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
    Some(Figures {
        worked: worked.into(),
        sleeps: usage.voluntary_context_switches(),
    })
}

#[cfg(not(target_os = "linux"))]
fn figures() -> Option<Figures> {
    None
}
