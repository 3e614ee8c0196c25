//! Patience: how long a connection may go without a sign of life, such as the rest of a request's head.
//!
//! hyper would have a timer for each head, and drop it when the head is there. That is a good part of what a request
//! costs, for something that hardly ever strikes. So it is given none, and every connection is looked at now and then.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Context;
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep};

/// How often a connection is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// After so many looks without a sign of life between them a connection is given up: in 30 to 35 seconds.
const QUIET_MAX: u32 = 6;

/// Signs of life of one connection: that a request is being answered, and that its client takes what is written. What a
/// client sends is none before it is a whole head.
///
/// One task does all that notes and looks.
#[derive(Debug, Clone, Default)]
pub(super) struct Activity(Arc<Signs>);

#[derive(Debug, Default)]
struct Signs {
    seen: AtomicU64,
    is_busy: AtomicBool,
    is_stuck: AtomicBool,
    has_unread: AtomicBool,
}

/// A request that is being answered, until it is dropped.
pub(super) struct Busy<'a>(&'a Activity);

impl Activity {
    /// A request has come.
    pub(super) fn begin(&self) -> Busy<'_> {
        self.note();
        self.0.is_busy.store(true, Ordering::Relaxed);
        // Until it is known better: a request that is given up halfway has not been read either.
        self.0.has_unread.store(true, Ordering::Relaxed);
        Busy(self)
    }

    /// The client has taken something of an answer, or takes nothing now; a request after that one may wait for it.
    pub(super) fn wrote(&self, is_taken: bool) {
        self.0.is_stuck.store(!is_taken, Ordering::Relaxed);
        if is_taken {
            self.note();
        }
    }

    fn note(&self) {
        let seen = self.0.seen.load(Ordering::Relaxed);
        self.0.seen.store(seen + 1, Ordering::Relaxed);
    }

    /// Whether nothing is under way: no request, no part of one that was answered before it was read, and no answer that its
    /// client does not take.
    pub(super) fn is_idle(&self) -> bool {
        let is = |sign: &AtomicBool| sign.load(Ordering::Relaxed);
        !is(&self.0.is_busy) && !is(&self.0.is_stuck) && !is(&self.0.has_unread)
    }

    /// How many signs of life there were.
    pub(super) fn seen(&self) -> u64 {
        self.0.seen.load(Ordering::Relaxed)
    }

    /// Whether there was any yet.
    pub(super) fn has_begun(&self) -> bool {
        self.seen() > 0
    }
}

impl Busy<'_> {
    /// The request was read to its end.
    pub(super) fn has_read_all(&self) {
        self.0.0.has_unread.store(false, Ordering::Relaxed);
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.note();
        self.0.0.is_busy.store(false, Ordering::Relaxed);
    }
}

/// Looks at a connection from time to time.
pub(super) struct Watch {
    activity: Activity,
    timer: Pin<Box<Sleep>>,
    is_set: bool,
    /// Signs of life at the last look.
    seen: u64,
    /// Looks without any since the one before.
    quiet: u32,
}

impl Watch {
    pub(super) fn over(activity: Activity) -> Self {
        Self {
            activity,
            timer: Box::pin(sleep(LOOK_EVERY)),
            is_set: false,
            seen: 0,
            quiet: 0,
        }
    }

    /// Whether the connection is to be given up. Otherwise the task is woken for the next look.
    pub(super) fn gives_up(&mut self, context: &mut Context<'_>) -> bool {
        // Once set, the timer was polled by this same task, and most polls of it are not for the timer.
        if self.is_set && !self.timer.is_elapsed() {
            return false;
        }
        // Whatever else this task has done in this turn: a timer that is not polled wakes nobody.
        while pin!(unconstrained(self.timer.as_mut()))
            .poll(context)
            .is_ready()
        {
            self.look();
            if self.quiet >= QUIET_MAX {
                return true;
            }
            self.timer.as_mut().reset(Instant::now() + LOOK_EVERY);
        }
        self.is_set = true;
        false
    }

    fn look(&mut self) {
        let signs = &self.activity.0;
        let seen = signs.seen.load(Ordering::Relaxed);
        let is_stuck = signs.is_stuck.load(Ordering::Relaxed);
        let is_waited_for = signs.is_busy.load(Ordering::Relaxed) && !is_stuck;
        let is_alive = seen != self.seen || is_waited_for;
        self.quiet = if is_alive { 0 } else { self.quiet + 1 };
        self.seen = seen;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::time::timeout;

    use super::*;

    /// After how many seconds the connection is given up, if it is within an hour.
    async fn given_up(activity: &Activity) -> Option<u64> {
        let begun = Instant::now();
        let mut watch = Watch::over(activity.clone());
        let watching = poll_fn(|context| match watch.gives_up(context) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        let given_up = timeout(Duration::from_secs(3600), watching).await;
        given_up.ok().map(|()| begun.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn what_gives_no_sign_of_life_is_given_up() {
        let activity = Activity::default();
        assert_eq!(given_up(&activity).await, Some(30));
        drop(activity.begin());
        activity.wrote(true);
        assert_eq!(given_up(&activity).await, Some(35));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_waited_for_unless_nothing_before_it_is_taken() {
        let activity = Activity::default();
        let _busy = activity.begin();
        assert_eq!(given_up(&activity).await, None);
        activity.wrote(false);
        assert_eq!(given_up(&activity).await, Some(35));
    }
}
