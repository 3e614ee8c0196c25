//! Limits: what bounds the calls of one task now, and how far that may be changed while it runs.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// A task may be given so many times the places its annotation gives it: enough to help out, and still its order.
pub const CONCURRENCY_FACTOR: usize = 4;
/// No task may be given more places than this while it runs, whatever its annotation says.
pub const CONCURRENCY_MAX: usize = 65_536;
/// The shortest timeout a task may be given while it runs.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// What bounds the calls of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) concurrency: usize,
    pub(crate) timeout: Duration,
    /// Whether it takes no calls here.
    pub(crate) paused: bool,
}

impl Bounds {
    /// What an annotation says.
    pub(crate) const fn annotated(concurrency: usize, timeout: Duration) -> Self {
        Self {
            concurrency,
            timeout,
            paused: false,
        }
    }

    /// The most places that a task with these may be given.
    pub(crate) fn concurrency_max(&self) -> usize {
        let raised = self.concurrency.saturating_mul(CONCURRENCY_FACTOR);
        raised.min(CONCURRENCY_MAX).max(self.concurrency)
    }
}

/// The bounds of one task that are in force. Written when somebody changes them, read with every call.
///
/// Relaxed: a call that starts at the same moment has the old ones or the new ones, and either is right.
#[derive(Debug)]
pub(crate) struct Limits {
    concurrency: AtomicUsize,
    timeout_ns: AtomicU64,
    paused: AtomicBool,
}

impl Limits {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let limits = Self {
            concurrency: AtomicUsize::default(),
            timeout_ns: AtomicU64::default(),
            paused: AtomicBool::default(),
        };
        limits.bound(&bounds);
        limits.set_paused(bounds.paused);
        limits
    }

    /// Calls that may run at a time; as many again may wait.
    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency.load(Relaxed)
    }

    /// The longest one call may take.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_nanos(self.timeout_ns.load(Relaxed))
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Relaxed)
    }

    /// Puts places and time in force.
    pub(crate) fn bound(&self, bounds: &Bounds) {
        let timeout_ns = u64::try_from(bounds.timeout.as_nanos()).unwrap_or(u64::MAX);
        self.concurrency.store(bounds.concurrency, Relaxed);
        self.timeout_ns.store(timeout_ns, Relaxed);
    }

    /// Notes whether the task takes calls here. Whoever subscribes it, or leaves, says so.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concurrency_max(concurrency: usize) -> usize {
        Bounds::annotated(concurrency, TIMEOUT_MIN).concurrency_max()
    }

    #[test]
    fn a_task_may_be_given_four_times_its_places_and_never_more_than_the_maximum() {
        assert_eq!(concurrency_max(1), 4);
        assert_eq!(concurrency_max(256), 1024);
        assert_eq!(concurrency_max(CONCURRENCY_MAX / 2), CONCURRENCY_MAX);
        // What the annotation says is always allowed.
        assert_eq!(concurrency_max(CONCURRENCY_MAX * 2), CONCURRENCY_MAX * 2);
    }

    #[test]
    fn what_is_put_in_force_is_what_is_read() {
        let mut bounds = Bounds::annotated(256, Duration::from_secs(30));
        let limits = Limits::new(bounds);
        bounds.concurrency = 3;
        bounds.timeout = Duration::from_millis(7);
        limits.bound(&bounds);
        assert_eq!(
            (limits.concurrency(), limits.timeout()),
            (3, bounds.timeout)
        );
        assert!(!limits.is_paused());
        limits.set_paused(true);
        assert!(limits.is_paused());
    }
}
