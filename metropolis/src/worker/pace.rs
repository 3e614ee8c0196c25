//! How long a task's polls take, which decides where its calls are polled.
//!
//! A poll should take microseconds, and then the best place for it is where its message was taken. One that takes longer
//! is worth a thread of its choice. While one takes 200 ms, whatever else was queued on that thread waits; so a task
//! whose polls prove that long runs on a second runtime from then on, the slow lane, where only its like can suffer.
//!
//! On a core with too much to do a thread may lose it for milliseconds in the middle of a short poll. That makes no task
//! slow: its calls would change threads for nothing just when there is no time for it.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};

mod run_delay;

/// A poll longer than this is long: its task is slow, and kept away from all others.
const LONG_POLL: Duration = Duration::from_millis(5);
/// So many polls in a row without a long one make it ordinary again.
const CALM_AFTER: u32 = 1024;

/// A poll up to this long is quick: handing it to another thread would cost a good part of it.
const QUICK_POLL: Duration = Duration::from_micros(50);
/// So many quick polls make a task quick; until then each poll is expected to be long.
const QUICK_AFTER: u32 = 64;
/// So many quick polls are remembered, and one that is not quick makes so many of them forgotten. One of those now and then
/// says nothing of the task; several in a hundred do.
const QUICK_MAX: u32 = 128;
const QUICK_LOST: u32 = 32;

thread_local! {
    static IS_SLOW_LANE: Cell<bool> = const { Cell::new(false) };
    /// Whether this thread polls a call right now.
    static IS_IN_A_CALL: Cell<bool> = const { Cell::new(false) };
}

/// What is known of one task's polls.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    slow: AtomicBool,
    /// Polls without a long one among them, up to what is of interest.
    calm: AtomicU32,
    /// Quick polls that are remembered.
    quick: AtomicU32,
}

impl Pace {
    /// Whether a poll may block its thread for as long as others would notice.
    pub(crate) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    /// Whether a poll is over before it could have been handed to another thread.
    pub(crate) fn is_quick(&self) -> bool {
        self.quick.load(Ordering::Relaxed) >= QUICK_AFTER
    }

    /// Whether this thread is inside a poll of a call, of whatever task.
    pub(crate) fn is_in_a_call() -> bool {
        IS_IN_A_CALL.get()
    }

    /// Makes one poll, which begins now; gives the time after it as well.
    pub(crate) fn measure<R>(&self, now: Instant, poll: impl FnOnce() -> R) -> (R, Instant) {
        let delay_before = self.is_watched().then(run_delay::so_far);
        let was_in_a_call = IS_IN_A_CALL.replace(true);
        let polled = poll();
        IS_IN_A_CALL.set(was_in_a_call);
        let after = Instant::now();
        let took = after - now;
        let took = match delay_before {
            Some(delay) if took > QUICK_POLL => without_delay(took, delay),
            _ => took,
        };
        self.note(took, delay_before.is_some());
        (polled, after)
    }

    /// Whether the time in which others have a poll's core is taken off. To ask for it takes too long around polls that are
    /// quick as ever; after one that was not, the next ones are watched.
    fn is_watched(&self) -> bool {
        self.quick.load(Ordering::Relaxed) < QUICK_MAX
    }

    /// Makes sure that a poll which may turn out long holds up nothing but itself.
    pub(crate) fn prepare(&self) {
        if !self.is_quick() && !is_slow_lane() {
            wake_another_thread();
        }
    }

    /// Only a poll that was watched can be called long.
    fn note(&self, took: Duration, was_watched: bool) {
        if was_watched && took > LONG_POLL {
            self.calm.store(0, Ordering::Relaxed);
            self.slow.store(true, Ordering::Relaxed);
        } else if count(&self.calm, CALM_AFTER) {
            self.slow.store(false, Ordering::Relaxed);
        }
        if took > QUICK_POLL {
            let quick = self.quick.load(Ordering::Relaxed);
            self.quick
                .store(quick.saturating_sub(QUICK_LOST), Ordering::Relaxed);
        } else {
            count(&self.quick, QUICK_MAX);
        }
    }
}

/// The time of a poll, without that in which others had the core.
fn without_delay(took: Duration, delay_before: Duration) -> Duration {
    let delay = run_delay::so_far().saturating_sub(delay_before);
    took.saturating_sub(delay)
}

/// Counts up to a number; says when it is reached.
fn count(polls: &AtomicU32, up_to: u32) -> bool {
    polls.load(Ordering::Relaxed) < up_to && polls.fetch_add(1, Ordering::Relaxed) + 1 >= up_to
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
mod tests;
