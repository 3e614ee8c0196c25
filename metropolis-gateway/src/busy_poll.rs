//! Busy polling: a thread stays awake for a little while when its only request waits for an answer.
//!
//! A thread that sleeps has to be woken, and often its core as well, which takes longer than a quick task does. Kernels poll
//! before they let a core idle for the same reason, and like them this one does so more and more seldom where it is of no use.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::yield_now;

/// The longest time to stay awake: a quick task behind a server takes less, even with everybody on the way asleep. Linux polls
/// for as long in a virtual machine (`guest_halt_poll_ns`).
const LIMIT: Duration = Duration::from_micros(200);

/// As many requests that might be waited for awake are not, at most, before it is tried again.
const PASSED_MAX: u32 = 63;

/// The requests that one thread waits for.
#[derive(Debug)]
pub(crate) struct BusyPoll {
    limit: Duration,
    under_way: AtomicUsize,
    /// How many requests are not waited for awake before the next is, and how many will be if that is of no use.
    to_pass: AtomicU32,
    next_to_pass: AtomicU32,
    /// Of the time that the runtime takes for work, what was spent so, in ns.
    spent: AtomicU64,
}

impl Default for BusyPoll {
    fn default() -> Self {
        Self::with_limit(LIMIT)
    }
}

impl BusyPoll {
    pub(crate) fn with_limit(limit: Duration) -> Self {
        Self {
            limit,
            under_way: AtomicUsize::new(0),
            to_pass: AtomicU32::new(0),
            next_to_pass: AtomicU32::new(1),
            spent: AtomicU64::new(0),
        }
    }

    /// Waits for an answer, awake for a while if it is the only one this thread waits for.
    pub(crate) async fn wait_for<F: Future>(&self, mut answer: Pin<&mut F>) -> F::Output {
        let _place = self.enter();
        if !self.is_alone() || self.passes() {
            return answer.await;
        }
        if let Poll::Ready(output) = asked(answer.as_mut()).await {
            return output;
        }
        let begun = Instant::now();
        let mut resumed = begun;
        while self.is_alone() {
            if resumed - begun >= self.limit {
                self.note(false);
                break;
            }
            // Whoever answers may need this core.
            thread::yield_now();
            self.spend(resumed.elapsed());
            yield_now().await;
            resumed = Instant::now();
            if let Poll::Ready(output) = asked(answer.as_mut()).await {
                // What comes later than that would have come to a thread that sleeps as well.
                self.note(resumed - begun < self.limit);
                return output;
            }
        }
        answer.await
    }

    /// The time that the runtime of the thread takes for work, and that was only waited for awake, so far.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Ordering::Relaxed))
    }

    fn enter(&self) -> Place<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Place(self)
    }

    fn is_alone(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) == 1
    }

    /// Counts a request that might be waited for awake, and says whether it is not.
    fn passes(&self) -> bool {
        let to_pass = self.to_pass.load(Ordering::Relaxed);
        let left = to_pass.saturating_sub(1);
        self.to_pass.store(left, Ordering::Relaxed);
        to_pass > 0
    }

    fn spend(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.spent.fetch_add(time, Ordering::Relaxed);
    }

    /// Notes whether the answer came while the thread was awake.
    fn note(&self, has_come: bool) {
        let passed = self.next_to_pass.load(Ordering::Relaxed);
        let (to_pass, next) = match has_come {
            true => (0, 1),
            false => (passed, (2 * passed + 1).min(PASSED_MAX)),
        };
        self.to_pass.store(to_pass, Ordering::Relaxed);
        self.next_to_pass.store(next, Ordering::Relaxed);
    }
}

/// Whether the answer is there by now.
async fn asked<F: Future>(mut answer: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await
}

/// A request's place among those under way, until it is dropped.
struct Place<'b>(&'b BusyPoll);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::pin;

    use tokio::time::timeout;

    use super::*;

    /// How often an answer that never comes is asked for in a while.
    async fn times_asked(busy_poll: &BusyPoll) -> u32 {
        let asked = Cell::new(0);
        let never = poll_fn(|_| {
            asked.set(asked.get() + 1);
            Poll::<()>::Pending
        });
        let mut never = pin!(never);
        let waits = busy_poll.wait_for(never.as_mut());
        let waited = timeout(Duration::from_millis(50), waits).await;
        assert!(waited.is_err());
        asked.get()
    }

    #[tokio::test]
    async fn only_a_request_that_is_alone_keeps_its_thread_awake() {
        let busy_poll = BusyPoll::with_limit(Duration::from_secs(60));
        assert!(times_asked(&busy_poll).await > 3);
        assert!(busy_poll.spent() > Duration::ZERO);
        let other = busy_poll.enter();
        let spent = busy_poll.spent();
        assert!(times_asked(&busy_poll).await <= 3);
        assert_eq!(busy_poll.spent(), spent);
        drop(other);
        assert!(times_asked(&busy_poll).await > 3);
    }

    #[tokio::test]
    async fn it_sleeps_when_another_comes_or_time_is_up() {
        let busy_poll = BusyPoll::with_limit(Duration::from_secs(60));
        let mut never = pin!(std::future::pending::<()>());
        let mut waits = pin!(busy_poll.wait_for(never.as_mut()));
        let while_alone = timeout(Duration::from_millis(5), waits.as_mut()).await;
        let spent = busy_poll.spent();
        assert!(while_alone.is_err() && spent > Duration::ZERO);
        let _other = busy_poll.enter();
        let beside = timeout(Duration::from_millis(50), waits).await;
        assert!(beside.is_err());
        assert_eq!(busy_poll.spent(), spent);
        let busy_poll = BusyPoll::with_limit(Duration::ZERO);
        assert!(times_asked(&busy_poll).await <= 4);
        assert!(busy_poll.passes(), "the next one is");
    }

    #[test]
    fn it_is_tried_more_and_more_seldom_until_it_helps() {
        let busy_poll = BusyPoll::default();
        let passed_before_next = || std::iter::from_fn(|| busy_poll.passes().then_some(())).count();
        for expected in [0, 1, 3, 7, 15, 31, 63, 63] {
            assert_eq!(passed_before_next(), expected);
            busy_poll.note(false);
        }
        busy_poll.note(true);
        assert_eq!(passed_before_next(), 0);
        busy_poll.note(false);
        assert_eq!(passed_before_next(), 1);
    }
}
