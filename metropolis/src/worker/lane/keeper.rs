//! Calls of a quick task that have to wait, kept and polled by one task.
//!
//! It costs a fraction of a task for each, and one timer watches over all their deadlines. What ends in one go is
//! answered in one piece. A task that proves not to be quick after all gets its calls back, each as a task of its own.

use std::fmt;
use std::future::{Future, Pending, pending, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::future::Either;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Sleep, sleep_until};

use super::{Lane, stopped, timed_out};
use crate::dispatch::Call;
use crate::subject::Subject;
use crate::wire::Reply;

/// Where calls are handed to the task that keeps them.
#[derive(Default)]
pub(super) struct Keeper(Mutex<Handed>);

#[derive(Default)]
struct Handed {
    calls: Vec<Kept>,
    waker: Option<Waker>,
}

impl Keeper {
    /// Hands over a call that was polled once and waits.
    fn add(&self, call: Kept) {
        let mut handed = self.lock();
        handed.calls.push(call);
        let waker = handed.waker.take();
        drop(handed);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Lets the task look around.
    pub(super) fn wake(&self) {
        let waker = self.lock().waker.take();
        waker.into_iter().for_each(Waker::wake);
    }

    /// What was handed over since the last time; whatever comes from here on wakes the task.
    fn take(&self, context: &Context<'_>, calls: &mut Vec<Kept>) {
        let mut handed = self.lock();
        mem::swap(&mut handed.calls, calls);
        match &mut handed.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Handed> {
        // Nothing under this lock runs foreign code, so a poisoned one holds whole values.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

/// A call that waits, and what it needs to be polled.
struct Kept {
    lane: Arc<Lane>,
    to: Option<Subject>,
    /// `None` once it has ended.
    call: Option<Call>,
    waker: Option<Waker>,
    /// The reply of a call whose time is up.
    fate: Option<Reply>,
}

/// How a kept call left.
enum Left {
    Ended(Option<Subject>, Reply, Instant),
    /// Its task is not quick any more.
    Moves(Option<Subject>, Call),
}

impl Kept {
    /// Ends the call with this reply, whatever it waits for.
    fn doom(&mut self, reply: Reply) {
        self.fate = Some(reply);
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    fn is_due(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    fn deadline(&self) -> Option<Instant> {
        let waits = self.call.as_ref().filter(|_| self.fate.is_none());
        waits.map(|call| call.deadline)
    }

    fn end(&mut self, call: Call, reply: Reply) -> Poll<Left> {
        let (started, reply) = (call.started, reply.in_trace(call.trace_id));
        call.discard();
        Poll::Ready(Left::Ended(self.to.take(), reply, started))
    }
}

impl Future for Kept {
    type Output = Left;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Left> {
        let mut call = self.call.take().expect("a call is kept until it has ended");
        if let Some(reply) = self.fate.take() {
            return self.end(call, reply);
        }
        if !self.lane.pace.is_quick() {
            return Poll::Ready(Left::Moves(self.to.take(), call));
        }
        match self.lane.poll(&mut call, context, Instant::now()).0 {
            Poll::Ready(reply) => self.end(call, reply),
            Poll::Pending => {
                self.call = Some(call);
                match &mut self.waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    none => *none = Some(context.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl Lane {
    /// Hands a call that waits to the task that keeps them.
    pub(super) fn keep(self: &Arc<Self>, to: Option<Subject>, call: Call) {
        self.keeper.add(Kept {
            lane: Arc::clone(self),
            to,
            call: Some(call),
            waker: None,
            fate: None,
        });
    }

    fn let_go(self: &Arc<Self>, left: Left) {
        match left {
            Left::Ended(to, reply, started) => {
                self.reply(to, reply, started.elapsed());
                if let Some(next) = self.release() {
                    self.run(next);
                }
            }
            Left::Moves(to, call) => self.spawn(to, call),
        }
    }
}

/// Keeps calls for as long as there is a lane to keep them for.
pub(super) async fn keep(lane: Weak<Lane>, keeper: Arc<Keeper>) {
    let mut keeping = Keeping {
        calls: FuturesUnordered::from_iter([Either::Right(pending())]),
        handed: Vec::new(),
        due: None,
        alarm: Box::pin(sleep_until(Instant::now().into())),
    };
    poll_fn(|context| {
        keeper.take(context, &mut keeping.handed);
        let Some(lane) = lane.upgrade() else {
            return Poll::Ready(());
        };
        lane.shared.bus.batch(|| keeping.poll(&lane, context));
        Poll::Pending
    })
    .await;
}

/// All that the task knows.
struct Keeping {
    /// And one that never ends: when all members of a set were polled it wakes its task once more (futures-util 0.3), which
    /// with a single call is each time, and wakes another thread for it.
    calls: FuturesUnordered<Either<Kept, Pending<Left>>>,
    handed: Vec<Kept>,
    /// The earliest deadline, or an earlier one of a call that has ended.
    due: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
}

impl Keeping {
    /// Goes as far as it goes without waiting.
    fn poll(&mut self, lane: &Arc<Lane>, context: &mut Context<'_>) {
        for call in self.handed.drain(..) {
            self.due = earlier(self.due, call.deadline());
            self.calls.push(Either::Left(call));
        }
        loop {
            while let Poll::Ready(Some(left)) = self.calls.poll_next_unpin(context) {
                lane.let_go(left);
            }
            if lane.is_aborted() && self.doom(|_| true, stopped) {
                continue;
            }
            if !self.is_alarmed(context) {
                return;
            }
            let now = Instant::now();
            self.doom(|call| call.is_due(now), timed_out);
        }
    }

    /// Ends those calls; says whether there were any.
    fn doom(&mut self, is_meant: impl Fn(&Kept) -> bool, reply: fn() -> Reply) -> bool {
        let mut any = false;
        self.due = None;
        for member in self.calls.iter_mut() {
            let Either::Left(call) = member else { continue };
            if call.fate.is_none() && is_meant(call) {
                call.doom(reply());
                any = true;
            }
            self.due = earlier(self.due, call.deadline());
        }
        any
    }

    /// Whether a deadline may have struck; otherwise the task is woken when one does.
    fn is_alarmed(&mut self, context: &mut Context<'_>) -> bool {
        let Some(due) = self.due else { return false };
        if self.alarm.deadline() != due.into() {
            self.alarm.as_mut().reset(due.into());
        }
        self.alarm.as_mut().poll(context).is_ready()
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
