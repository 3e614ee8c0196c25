//! Turnstile: of a crowd's requests, a thread begins no more than keep it at work.
//!
//! A request that is under way takes 28 kB. When those of thousands of connections are under way at once, each has left the
//! processor's caches by the time it is answered, and takes half as much time again. So a thread begins a few, and the next
//! when one of them is answered; the others wait unread, where they take nothing of this process. That is no limit to what
//! can be under way: whenever the thread has nothing else to do, it lets in more. Those before wait for somebody else then,
//! such as a slow task.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::thread;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// As many requests keep a thread at work: over this many connections a request costs least.
const FEW: usize = 64;

/// While there is room for more than a few, it gets less by one each time that so many have left.
const NARROWS_EVERY: usize = 16;

/// The turnstile of one thread.
#[derive(Debug)]
pub(super) struct Turnstile {
    places: Arc<Semaphore>,
    /// Places there are, free or not.
    size: AtomicUsize,
    waiting: AtomicUsize,
    /// Requests that have left, and how many had when the thread had nothing to do for the last time.
    left: AtomicUsize,
    left_before: AtomicUsize,
}

impl Default for Turnstile {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(FEW)),
            size: AtomicUsize::new(FEW),
            waiting: AtomicUsize::default(),
            left: AtomicUsize::default(),
            left_before: AtomicUsize::default(),
        }
    }
}

impl Turnstile {
    /// Lets in more, if somebody waits. To be called when the thread has nothing to do: if somebody is let in it does not
    /// sleep.
    pub(super) fn let_in_more(&self) {
        let left = self.left.load(Ordering::Relaxed);
        let left_before = self.left_before.swap(left, Ordering::Relaxed);
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        // Whoever answers may need this core.
        thread::yield_now();
        let more = match left == left_before {
            true => FEW,
            // The next answers may be there by now, and the thread looks for them before those who come in are served.
            false => 1,
        };
        self.size.fetch_add(more, Ordering::Relaxed);
        self.places.add_permits(more);
    }

    fn leave(&self, place: OwnedSemaphorePermit) {
        let left = self.left.fetch_add(1, Ordering::Relaxed) + 1;
        if left.is_multiple_of(NARROWS_EVERY) && self.size.load(Ordering::Relaxed) > FEW {
            self.size.fetch_sub(1, Ordering::Relaxed);
            place.forget();
        }
    }
}

/// One connection on its way through a turnstile, again for each of its requests.
pub(super) struct Entry {
    /// `None` where everybody is let in.
    turnstile: Option<Arc<Turnstile>>,
    state: State,
}

enum State {
    Outside,
    Waiting(Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>),
    Inside(OwnedSemaphorePermit),
}

impl Entry {
    pub(super) fn at(turnstile: Option<Arc<Turnstile>>) -> Self {
        Self {
            turnstile,
            state: State::Outside,
        }
    }

    /// Waits until it is let in, after all who came before. Whoever is in stays in.
    pub(super) fn poll_enter(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(turnstile) = &self.turnstile else {
            return Poll::Ready(());
        };
        if let State::Outside = self.state {
            let places = || Arc::clone(&turnstile.places);
            self.state = match places().try_acquire_owned() {
                Ok(place) => State::Inside(place),
                Err(_) => {
                    turnstile.waiting.fetch_add(1, Ordering::Relaxed);
                    State::Waiting(Box::pin(places().acquire_owned()))
                }
            };
        }
        if let State::Waiting(place) = &mut self.state {
            let place = ready!(place.as_mut().poll(context));
            turnstile.waiting.fetch_sub(1, Ordering::Relaxed);
            self.state = State::Inside(place.expect("the semaphore is never closed"));
        }
        Poll::Ready(())
    }

    /// Makes room for the next, or does not wait any more.
    pub(super) fn leave(&mut self) {
        let Some(turnstile) = &self.turnstile else {
            return;
        };
        match std::mem::replace(&mut self.state, State::Outside) {
            State::Outside => {}
            State::Waiting(_) => {
                turnstile.waiting.fetch_sub(1, Ordering::Relaxed);
            }
            State::Inside(place) => turnstile.leave(place),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    struct Crowd {
        turnstile: Arc<Turnstile>,
        entries: Vec<Entry>,
    }

    impl Crowd {
        fn of(count: usize) -> Self {
            let turnstile = Arc::new(Turnstile::default());
            let entries = (0..count).map(|_| Entry::at(Some(Arc::clone(&turnstile))));
            Self {
                entries: entries.collect(),
                turnstile,
            }
        }

        /// How many of them are in, after each has asked.
        fn inside(&mut self) -> usize {
            let mut context = Context::from_waker(Waker::noop());
            let polled = self
                .entries
                .iter_mut()
                .map(|entry| entry.poll_enter(&mut context));
            polled.filter(Poll::is_ready).count()
        }

        fn size(&self) -> usize {
            self.turnstile.size.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_few_are_in_and_the_next_when_one_leaves() {
        let mut crowd = Crowd::of(3 * FEW);
        assert_eq!(crowd.inside(), FEW);
        let first = crowd.entries.remove(0);
        assert_eq!(crowd.inside(), FEW - 1);
        drop(first);
        assert_eq!(crowd.inside(), FEW);
        let mut context = Context::from_waker(Waker::noop());
        assert!(crowd.entries[FEW - 1].poll_enter(&mut context).is_ready());
        assert!(crowd.entries[FEW].poll_enter(&mut context).is_pending());
    }

    #[test]
    fn all_come_in_while_the_thread_has_nothing_else_to_do() {
        let mut crowd = Crowd::of(3 * FEW);
        for expected in [1, 2, 3, 3].map(|times| times * FEW) {
            assert_eq!(crowd.inside(), expected);
            crowd.turnstile.let_in_more();
        }
        assert_eq!(crowd.size(), 3 * FEW, "nobody waited any more");
    }

    #[test]
    fn one_more_comes_in_while_others_are_answered() {
        let mut crowd = Crowd::of(3 * FEW);
        crowd.inside();
        crowd.entries[0].leave();
        crowd.turnstile.let_in_more();
        assert_eq!((crowd.inside(), crowd.size()), (FEW + 1, FEW + 1));
    }

    #[test]
    fn what_was_let_in_over_and_above_is_taken_back_by_and_by() {
        let mut crowd = Crowd::of(2 * FEW);
        crowd.inside();
        crowd.turnstile.let_in_more();
        assert_eq!(crowd.size(), 2 * FEW);
        while crowd.size() > FEW {
            assert!(crowd.inside() >= FEW);
            crowd.entries.iter_mut().for_each(Entry::leave);
        }
        assert_eq!(crowd.inside(), FEW);
    }

    #[test]
    fn whoever_gives_up_waiting_is_not_waited_for() {
        let mut crowd = Crowd::of(FEW + 3);
        crowd.inside();
        drop(crowd.entries.remove(FEW));
        crowd.entries[FEW].leave();
        let waiting = crowd.turnstile.waiting.load(Ordering::Relaxed);
        assert_eq!(waiting, 1);
        drop(crowd.entries.remove(0));
        let mut context = Context::from_waker(Waker::noop());
        let last = crowd
            .entries
            .last_mut()
            .map(|entry| entry.poll_enter(&mut context));
        assert_eq!(last, Some(Poll::Ready(())));
    }

    #[test]
    fn without_a_turnstile_everybody_is_in() {
        let mut entry = Entry::at(None);
        let mut context = Context::from_waker(Waker::noop());
        assert!(entry.poll_enter(&mut context).is_ready());
    }
}
