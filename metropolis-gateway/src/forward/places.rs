//! Places: while workers are full, what they would refuse is refused here.
//!
//! A refusal over the bus costs three processes nearly as much as a small answer does, so a crowd that is refused takes
//! the time of those who could be answered. Whoever is full says how many places it has; until it may be asked again, no
//! more requests of the route are under way than all its instances have places, and then a few more, twice as many each
//! time, until somebody is full again or nobody seems to be: a whole crowd let in at once would be refused over the bus.
//! A stuck instance costs the others nothing that way, unlike limits that are guessed from the share of refusals: what it
//! holds counts as taken.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// For how long what one worker said holds in full at most, whatever it asks for.
const WINDOW_MAX: Duration = Duration::from_secs(1);

/// After so many times that long it is forgotten.
const WINDOWS: u32 = 8;

/// Of the places, this part is let in over and above after the first time.
const OVER: usize = 8;

thread_local! {
    /// Whether this thread has refused somebody since it last gave way.
    static HAS_REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// Lets others have the core before this thread sleeps, if it has refused somebody meanwhile. A worker may be among them,
/// and it should not be interrupted for each refusal: while it computes more come together, which take less of the core then.
/// Where nobody else wants the core, nothing happens. The runtime takes that time for work, and rightly: a thread whose core
/// others use has no time for more connections.
pub(crate) fn give_way() {
    if HAS_REFUSED.replace(false) {
        thread::yield_now();
    }
}

/// The requests of one route that are under way from this gateway.
#[derive(Debug)]
pub(super) struct Places {
    /// The workers that serve it.
    instances: usize,
    taken: AtomicUsize,
    /// Whether a worker was full of late; most requests look at this alone.
    may_be_full: AtomicBool,
    full: Mutex<Option<Full>>,
}

/// What a worker said that was full.
#[derive(Debug, Clone, Copy)]
struct Full {
    places: usize,
    retry_after: Duration,
    since: Instant,
}

impl Full {
    /// How many requests may be under way for each instance; `None` when what was said is forgotten.
    fn limit_at(&self, now: Instant) -> Option<usize> {
        let window = self.retry_after.min(WINDOW_MAX).as_nanos();
        let passed = now.saturating_duration_since(self.since).as_nanos();
        let windows = u32::try_from(passed.checked_div(window)?).ok()?;
        let over = match windows {
            0 => 0,
            1..WINDOWS => self
                .places
                .div_ceil(OVER)
                .saturating_mul(1 << (windows - 1)),
            _ => return None,
        };
        Some(self.places.saturating_add(over))
    }
}

/// A request that is under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Taken<'p>(&'p Places);

impl Places {
    pub(super) fn of(instances: usize) -> Self {
        Self {
            instances,
            taken: AtomicUsize::new(0),
            may_be_full: AtomicBool::new(false),
            full: Mutex::new(None),
        }
    }

    /// Takes a place of those that all instances have.
    ///
    /// # Errors
    /// With the time after which it is worth asking again, when there is none. Nothing was sent.
    pub(super) fn take(&self) -> Result<Taken<'_>, Duration> {
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        let taken = Taken(self);
        if !self.may_be_full.load(Ordering::Relaxed) {
            return Ok(taken);
        }
        match self.limit_at(Instant::now()) {
            Some((limit, retry_after)) if before >= limit.saturating_mul(self.instances) => {
                HAS_REFUSED.set(true);
                Err(retry_after)
            }
            _ => Ok(taken),
        }
    }

    /// A worker was full, and said how many places it has.
    pub(super) fn note_full(&self, places: NonZeroU32, retry_after: Duration) {
        let full = Full {
            places: usize::try_from(places.get()).unwrap_or(usize::MAX),
            retry_after,
            since: Instant::now(),
        };
        *self.full() = Some(full);
        self.may_be_full.store(true, Ordering::Relaxed);
    }

    /// Requests that may be under way for each instance, and when those past them may ask again.
    fn limit_at(&self, now: Instant) -> Option<(usize, Duration)> {
        let mut full = self.full();
        let limit = full.and_then(|full| Some((full.limit_at(now)?, full.retry_after)));
        if limit.is_none() {
            *full = None;
            self.may_be_full.store(false, Ordering::Relaxed);
        }
        limit
    }

    fn full(&self) -> MutexGuard<'_, Option<Full>> {
        // Nothing under this lock can panic halfway, so a poisoned one holds whole values.
        self.full.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(1);
    const ONE: NonZeroU32 = NonZeroU32::MIN;

    #[test]
    fn nothing_is_refused_while_nobody_was_full() {
        let places = Places::of(1);
        let all: Vec<_> = (0..100).map(|_| places.take()).collect();
        assert!(all.iter().all(Result::is_ok));
    }

    #[test]
    fn no_more_go_out_than_all_instances_have_places() {
        let places = Places::of(2);
        places.note_full(ONE.saturating_add(1), SOON);
        let mut all: Vec<_> = (0..6).map(|_| places.take()).collect();
        let taken = all.iter().filter(|one| one.is_ok()).count();
        assert_eq!((taken, all.pop().map(Result::err)), (4, Some(Some(SOON))));
        drop(all);
        assert!(places.take().is_ok());
    }

    #[test]
    fn a_thread_gives_way_once_after_it_has_refused_somebody() {
        let places = Places::of(1);
        places.note_full(ONE, SOON);
        let _one = places.take();
        assert!(!HAS_REFUSED.get());
        assert!(places.take().is_err() && HAS_REFUSED.get());
        give_way();
        assert!(!HAS_REFUSED.get());
    }

    #[test]
    fn a_refusal_holds_until_it_is_worth_asking_again() {
        let places = Places::of(1);
        places.note_full(ONE, Duration::ZERO);
        let _one = places.take();
        assert!(places.take().is_ok());
    }

    #[test]
    fn a_few_more_are_let_in_each_time_until_what_was_said_is_forgotten() {
        let full = Full {
            places: 32,
            retry_after: SOON,
            since: Instant::now(),
        };
        let limits: Vec<_> = (0..=WINDOWS)
            .map(|windows| full.limit_at(full.since + windows * SOON))
            .collect();
        let expected = [32, 36, 40, 48, 64, 96, 160, 288].map(Some);
        assert_eq!(limits, [&expected[..], &[None]].concat());
    }

    #[test]
    fn somebody_who_is_full_again_ends_that() {
        let places = Places::of(1);
        places.note_full(ONE, SOON);
        // As if that time had passed.
        let earlier = places.full().map(|full| Full {
            since: full.since - SOON,
            ..full
        });
        *places.full() = earlier;
        let _one = places.take();
        let over = places.take();
        assert!(over.is_ok(), "it is worth asking again");
        places.note_full(ONE, SOON);
        assert!(places.take().is_err());
    }

    #[test]
    fn whoever_gives_up_gives_the_place_back() {
        let places = Places::of(1);
        places.note_full(ONE, SOON);
        assert!(matches!((places.take(), places.take()), (Ok(_), Err(_))));
        assert_eq!(places.taken.load(Ordering::Relaxed), 0);
    }
}
