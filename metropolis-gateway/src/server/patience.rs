//! Patience: how long the head of a request may take, for every request of a connection by one timer.
//!
//! hyper makes a timer for each head and drops it when the head is there. That is a good part of what a request costs, for
//! something that hardly ever strikes. So hyper is given one that only notes when it is due, and the connection has a
//! real one, which goes by the note when it strikes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::Timer;
use tokio::time::{Sleep, sleep};

/// When the head that hyper waits for is due; hyper's half of it.
#[derive(Debug, Clone)]
pub(super) struct Patience(Arc<Note>);

#[derive(Debug)]
struct Note {
    since: Instant,
    /// Microseconds after that, or 0 when nothing is waited for.
    due: AtomicU64,
    /// Whether the real timer has struck, so that it is worth looking at the clock.
    has_struck: AtomicBool,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self(Arc::new(Note {
            since: now(),
            due: AtomicU64::new(0),
            has_struck: AtomicBool::new(false),
        }))
    }

    fn due(&self) -> Option<Instant> {
        let due = self.0.due.load(Ordering::Relaxed);
        (due > 0).then(|| self.0.since + Duration::from_micros(due))
    }
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep_until(now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let due = deadline.saturating_duration_since(self.0.since).as_micros();
        let due = u64::try_from(due).unwrap_or(u64::MAX).max(1);
        self.0.due.store(due, Ordering::Relaxed);
        Box::pin(Waiting {
            note: Arc::clone(&self.0),
            deadline,
        })
    }

    fn now(&self) -> Instant {
        now()
    }
}

/// Tokio's time, which a test can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What hyper waits for. It wakes nobody: the connection does.
struct Waiting {
    note: Arc<Note>,
    deadline: Instant,
}

impl Future for Waiting {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let has_struck = self.note.has_struck.load(Ordering::Relaxed);
        if has_struck && now() >= self.deadline {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl hyper::rt::Sleep for Waiting {}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.note.due.store(0, Ordering::Relaxed);
    }
}

/// The connection's half: the one timer that is real.
pub(super) struct Watch {
    patience: Patience,
    timer: Pin<Box<Sleep>>,
    is_set: bool,
}

impl Watch {
    pub(super) fn over(patience: Patience) -> Self {
        Self {
            patience,
            timer: Box::pin(sleep(Duration::ZERO)),
            is_set: false,
        }
    }

    /// Whether hyper should be asked again, because what it waits for may be due. Otherwise the task is woken when it may.
    pub(super) fn strikes(&mut self, context: &mut Context<'_>) -> bool {
        if !self.is_set {
            let Some(due) = self.patience.due() else {
                return false;
            };
            self.timer.as_mut().reset(due.into());
            self.is_set = true;
        } else if !self.timer.is_elapsed() {
            // It was polled when it was set, by the same task.
            return false;
        }
        let strikes = self.timer.as_mut().poll(context).is_ready();
        self.is_set = !strikes;
        self.patience.0.has_struck.store(strikes, Ordering::Relaxed);
        strikes
    }
}
