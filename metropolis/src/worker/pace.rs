//! How long a task's polls take. One that blocks its thread is moved to threads of its own kind.
//!
//! A poll should take microseconds. While one takes 200 ms, whatever else was queued on that thread waits. So a task
//! whose polls prove long runs on a second runtime from then on, the slow lane, where only its like can suffer.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};

/// A poll longer than this makes its task slow.
const LONG_POLL: Duration = Duration::from_millis(5);
/// So many quick polls in a row make it quick again.
const QUICK_POLLS: u32 = 1024;

/// So many quick polls in a row make a task known; until then each poll is expected to be long.
const KNOWN_AFTER: u32 = 64;

thread_local! {
    static IS_SLOW_LANE: Cell<bool> = const { Cell::new(false) };
}

/// What is known of one task's polls.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    slow: AtomicBool,
    quick_polls: AtomicU32,
}

impl Pace {
    pub(crate) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    /// Makes one poll, and says how long it took.
    pub(crate) fn measure<R>(&self, poll: impl FnOnce() -> R) -> (R, Duration) {
        self.prepare();
        let start = Instant::now();
        let polled = poll();
        let took = start.elapsed();
        self.note(took);
        (polled, took)
    }

    /// Makes sure that a poll which may turn out long holds up nothing but itself.
    pub(crate) fn prepare(&self) {
        if self.quick_polls.load(Ordering::Relaxed) < KNOWN_AFTER && !is_slow_lane() {
            wake_another_thread();
        }
    }

    /// Takes note of a poll somebody else has timed.
    pub(crate) fn note(&self, took: Duration) {
        if took > LONG_POLL {
            self.quick_polls.store(0, Ordering::Relaxed);
            self.slow.store(true, Ordering::Relaxed);
        } else if self.quick_polls.load(Ordering::Relaxed) < QUICK_POLLS
            && self.quick_polls.fetch_add(1, Ordering::Relaxed) + 1 >= QUICK_POLLS
        {
            self.slow.store(false, Ordering::Relaxed);
        }
    }
}

/// Leaves what this thread would do next to another one of its runtime.
///
/// A thread that has just read from the network keeps the task it woke last to itself, and no other thread reads as long
/// as they all sleep (Tokio 1.54). Of two empty tasks the second pushes the first out of that place, which wakes a
/// thread; it takes what is queued here, and then watches the network.
fn wake_another_thread() {
    for _ in 0..2 {
        tokio::spawn(async {});
    }
}

/// The runtime of slow tasks, started when the first one shows itself.
///
/// `None` when the system gives no threads for it: then slow tasks stay where they are.
pub(crate) fn slow_lane() -> Option<&'static Handle> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    RUNTIME.get_or_init(start).as_ref().map(Runtime::handle)
}

/// Whether this thread belongs to the slow lane.
pub(crate) fn is_slow_lane() -> bool {
    IS_SLOW_LANE.get()
}

fn start() -> Option<Runtime> {
    let runtime = Builder::new_multi_thread()
        .thread_name("metropolis-slow")
        .on_thread_start(|| IS_SLOW_LANE.set(true))
        .enable_all()
        .build();
    runtime
        .inspect_err(|error| tracing::warn!(%error, "no threads for slow tasks"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_poll_makes_a_task_slow_and_many_quick_ones_make_it_quick() {
        let pace = Pace::default();
        pace.note(Duration::from_micros(50));
        assert!(!pace.is_slow());
        pace.note(LONG_POLL * 2);
        assert!(pace.is_slow());
        for _ in 0..QUICK_POLLS {
            pace.note(Duration::from_micros(50));
        }
        assert!(!pace.is_slow());
    }
}
