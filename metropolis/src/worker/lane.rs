//! One served task: admits its messages, runs each as near to where it arrived as its pace allows, answers each once.
//!
//! Places are counted here. `concurrency` calls may run and as many messages may wait; a message past that is answered
//! *busy* at once. A call that ends hands its place to the longest waiting message. How many places there are may change
//! while calls run: those above a lower number end as they would have.
//!
//! A call of a task that is known to be quick is polled where its message was taken, which is where it was read from the
//! network or sent by another part of the process. Most are over then. Those that wait are kept together by one task,
//! the [`keeper`]. Calls of all other tasks get a task [each](alone).

use std::any::Any;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use self::keeper::Keeper;
use super::pace::Pace;
use crate::bus::{Bus, Incoming, Outgoing, PublishError, Unsent};
use crate::catalog::Entry;
use crate::dispatch::{Call, Dispatch};
use crate::fault::Fault;
use crate::live::Limits;
use crate::log::Flood;
use crate::replies::ReplyRule;
use crate::subject::Subject;
use crate::telemetry::Counts;
use crate::wire::{NotStarted, Reply};

mod alone;
mod keeper;

/// When a busy worker may be asked again.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// How long the bus may take to accept a reply; a connection that was just lost is usually back by then.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// What the lanes of one worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) bus: Bus,
    pub(crate) instance: Arc<str>,
    pub(crate) replies: Arc<ReplyRule>,
}

/// One served task.
#[derive(Debug)]
pub(crate) struct Lane {
    dispatch: Dispatch,
    shared: Arc<Shared>,
    counts: Arc<Counts>,
    pace: Pace,
    places: Mutex<Places>,
    keeper: Arc<Keeper>,
    /// Where calls run that do not end where they began. Messages are also taken on other runtimes' threads.
    runtime: Handle,
    idle: Notify,
    /// True once running calls must end.
    aborted: AtomicBool,
    ending: Notify,
    flood: Flood,
}

#[derive(Debug, Default)]
struct Places {
    running: usize,
    waiting: VecDeque<Incoming>,
}

impl Places {
    fn note_in(&self, counts: &Counts) {
        counts.set_places(self.running, self.waiting.len());
    }
}

enum Admission {
    Runs(Incoming),
    Waits,
    Busy(Incoming),
}

/// How a call stands after its first poll.
enum Start {
    /// With its reply, after so much time.
    Ended(Reply, Duration),
    Waits(Call),
}

impl Lane {
    /// A lane whose calls run on the runtime this is called on.
    pub(crate) fn new(dispatch: Dispatch, counts: Arc<Counts>, shared: Arc<Shared>) -> Arc<Self> {
        let lane = Arc::new(Self {
            dispatch,
            shared,
            counts,
            pace: Pace::default(),
            places: Mutex::default(),
            keeper: Arc::default(),
            runtime: Handle::current(),
            idle: Notify::new(),
            aborted: AtomicBool::new(false),
            ending: Notify::new(),
            flood: Flood::new(),
        });
        let keeper = Arc::clone(&lane.keeper);
        lane.runtime
            .spawn(keeper::keep(Arc::downgrade(&lane), keeper));
        lane
    }

    pub(crate) fn entry(&self) -> &Entry {
        self.dispatch.entry()
    }

    pub(crate) fn limits(&self) -> &Limits {
        self.dispatch.limits()
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.shared.bus
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Takes a message. Never waits: it runs, or it waits for a place, or it is answered.
    pub(crate) fn take(self: &Arc<Self>, incoming: Incoming) {
        if !self.shared.replies.admits(&incoming) {
            return self.counts.refuse();
        }
        match self.admit(incoming) {
            Admission::Runs(incoming) => self.run(incoming),
            Admission::Waits => {}
            Admission::Busy(incoming) => self.reply(incoming.reply, self.full(), Duration::ZERO),
        }
    }

    /// Ready when no call runs and no message waits.
    pub(crate) async fn idle(&self) {
        loop {
            let changed = self.idle.notified();
            if self.places().running == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Answers all running calls with a 503, and starts no other.
    pub(crate) fn abort(&self) {
        self.aborted.store(true, Ordering::Release);
        self.ending.notify_waiters();
        self.keeper.wake();
    }

    fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    fn concurrency(&self) -> usize {
        self.dispatch.limits().concurrency()
    }

    fn full(&self) -> Reply {
        busy(u32::try_from(2 * self.concurrency()).ok())
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, incoming: Incoming) -> Admission {
        let concurrency = self.concurrency();
        let places = &mut *self.places();
        if places.running < concurrency {
            places.running += 1;
            return Admission::Runs(incoming);
        }
        if places.waiting.len() < concurrency {
            places.waiting.push_back(incoming.detached());
            places.note_in(&self.counts);
            return Admission::Waits;
        }
        Admission::Busy(incoming)
    }

    /// Hands the place of an ended call to the longest waiting message, or frees it, as it does one that is too many now.
    fn release(&self) -> Option<Incoming> {
        let concurrency = self.concurrency();
        let places = &mut *self.places();
        let is_too_many = places.running > concurrency;
        let next = match is_too_many {
            true => None,
            false => places.waiting.pop_front(),
        };
        if next.is_none() {
            places.running -= 1;
            if places.running == 0 {
                self.idle.notify_waiters();
            }
        }
        places.note_in(&self.counts);
        next
    }

    /// Whether messages wait for a place.
    fn is_waited_for(&self) -> bool {
        !self.places().waiting.is_empty()
    }

    /// Gives places to waiting messages for as long as there are any: to be called after there are more.
    pub(crate) fn fill(self: &Arc<Self>) {
        while let Some(next) = self.occupy() {
            self.run(next);
        }
    }

    fn occupy(&self) -> Option<Incoming> {
        let concurrency = self.concurrency();
        let places = &mut *self.places();
        if places.running >= concurrency {
            return None;
        }
        let next = places.waiting.pop_front()?;
        places.running += 1;
        Some(next)
    }

    /// Runs a message that has a place, and those that wait for it for as long as each is over at once.
    fn run(self: &Arc<Self>, incoming: Incoming) {
        let mut next = Some(incoming);
        while let Some(incoming) = next {
            let to = incoming.reply.clone();
            let (reply, took) = match self.start(incoming) {
                Start::Ended(reply, took) => (reply, took),
                Start::Waits(call) => return self.go_on(to.map(Subject::detached), call),
            };
            self.reply(to, reply, took);
            next = self.release();
        }
    }

    fn open(&self, incoming: Incoming) -> Result<Call, Reply> {
        let (now, arrived) = (Instant::now(), incoming.arrived);
        let call = self.dispatch.open(incoming, now)?;
        self.counts.start(now.saturating_duration_since(arrived));
        Ok(call)
    }

    fn start(&self, incoming: Incoming) -> Start {
        if self.is_aborted() {
            return Start::Ended(busy(None), Duration::ZERO);
        }
        match self.open(incoming) {
            Err(reply) => Start::Ended(reply, Duration::ZERO),
            Ok(call) if self.may_run_here() => self.first_poll(call),
            Ok(call) => Start::Waits(call),
        }
    }

    /// A call that another one waits for is not run inside of it: what it does would be taken for the other's.
    fn may_run_here(&self) -> bool {
        self.pace.is_quick() && !self.entry().meta().blocking && !Pace::is_in_a_call()
    }

    /// Most calls are over after one poll; a spawn for each would cost three times the work.
    fn first_poll(&self, mut call: Call) -> Start {
        // What the task makes in here belongs to its worker's runtime, whoever's thread this is.
        let _entered = self.runtime.enter();
        let mut nobody = Context::from_waker(Waker::noop());
        let started = call.started;
        let (polled, now) = self.poll(&mut call, &mut nobody, started);
        match polled {
            Poll::Ready(reply) => {
                let took = now - started;
                call.discard();
                Start::Ended(reply, took)
            }
            Poll::Pending => Start::Waits(call),
        }
    }

    /// Polls a call, which began to be polled just now; gives the time after it as well.
    fn poll(
        &self,
        call: &mut Call,
        context: &mut Context<'_>,
        now: Instant,
    ) -> (Poll<Reply>, Instant) {
        let poll = AssertUnwindSafe(|| call.future.as_mut().poll(context));
        let (polled, after) = self.pace.measure(now, || std::panic::catch_unwind(poll));
        let polled = polled.unwrap_or_else(|panic| Poll::Ready(panicked(&*panic)));
        (polled.map(|reply| reply.in_trace(call.trace_id)), after)
    }

    /// Takes care of a call that is not over.
    fn go_on(self: &Arc<Self>, to: Option<Subject>, call: Call) {
        self.places().note_in(&self.counts);
        if self.pace.is_quick() && !self.entry().meta().blocking {
            self.keep(to, call);
        } else {
            self.spawn(to, call);
        }
    }

    /// Sends the one terminal reply of a request, counts it, and logs what its caller is not told.
    fn reply(self: &Arc<Self>, to: Option<Subject>, reply: Reply, took: Duration) {
        self.reply_within(Duration::ZERO, to, reply, took);
    }

    /// The same for a reply that may wait a while for others to leave with.
    fn reply_within(
        self: &Arc<Self>,
        leeway: Duration,
        to: Option<Subject>,
        reply: Reply,
        took: Duration,
    ) {
        self.counts.reply(&reply, took);
        self.log(&reply, to.is_some());
        let Some(to) = to else { return };
        let message = self.message(to, reply);
        if let Err(unsent) = self.shared.bus.reply_within(leeway, message) {
            self.rescue(*unsent);
        }
    }

    /// Sees to a reply that was not sent: one that is too large never will be, any other waits for the connection.
    fn rescue(self: &Arc<Self>, unsent: Unsent) {
        match unsent.error {
            PublishError::TooLarge { size, max } => {
                self.reply_too_large(unsent.outgoing.subject, size, max);
            }
            _ => self.reply_later(unsent.outgoing),
        }
    }

    fn message(&self, to: Subject, reply: Reply) -> Outgoing {
        let (headers, payload) = reply.encode(&self.shared.instance);
        Outgoing {
            subject: to,
            reply: None,
            headers,
            payload,
        }
    }

    /// A fault in the place of a reply that the bus does not take.
    fn reply_too_large(self: &Arc<Self>, to: Subject, size: usize, max: usize) {
        let task = self.entry().meta().name;
        if self.may_log("a reply is larger than the bus takes") {
            tracing::error!(task, size, max, "a reply is larger than the bus takes");
        }
        let fault = Fault::new(
            500,
            "reply_too_large",
            "the reply is larger than the bus takes",
        );
        let smaller = self.message(to, Reply::Fault(fault));
        if let Err(unsent) = self.shared.bus.reply_within(Duration::ZERO, smaller) {
            self.reply_later(unsent.outgoing);
        }
    }

    /// Waits for the connection to be back. The reply has a place meanwhile, so that a stop waits for it.
    fn reply_later(self: &Arc<Self>, outgoing: Outgoing) {
        self.places().running += 1;
        let lane = Arc::clone(self);
        self.runtime.spawn(async move {
            let deadline = Instant::now() + REPLY_TIMEOUT;
            if let Err(error) = lane.shared.bus.reply(outgoing, deadline).await {
                let task = lane.entry().meta().name;
                if lane.may_log("a reply was lost") {
                    tracing::error!(task, %error, "a reply was lost");
                }
            }
            if let Some(next) = lane.release() {
                lane.run(next);
            }
        });
    }

    fn log(&self, reply: &Reply, is_awaited: bool) {
        let Reply::Fault(fault) = reply else { return };
        let (task, code) = (self.entry().meta().name, fault.code());
        let trace_id = fault.trace_id().map(tracing::field::display);
        if let Some(cause) = fault.cause().filter(|_| fault.status() >= 500) {
            if self.may_log(code) {
                tracing::error!(task, code, trace_id, cause = %Chain(cause), "a call failed");
            }
        } else if !is_awaited && self.may_log(code) {
            let text = fault.message();
            tracing::warn!(
                task,
                code,
                trace_id,
                text,
                "a call that nobody waits for failed"
            );
        }
    }

    /// Whether a line of this kind may be written: of thousands a second only some are.
    fn may_log(&self, kind: &str) -> bool {
        let (task, of_kind) = (self.entry().meta().name, kind.to_owned());
        let tell = move |more| {
            tracing::error!(task, kind = of_kind, more, "… and {more} more like it");
        };
        let _entered = self.runtime.enter();
        self.flood.lets_through(kind, tell)
    }
}

/// Ends the task that keeps calls; while it keeps any, there is no such end.
impl Drop for Lane {
    fn drop(&mut self) {
        self.keeper.wake();
    }
}

/// An error with everything that caused it, on one line.
struct Chain<'e>(&'e (dyn Error + Send + Sync + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Reply {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Reply::Fault(Fault::internal(format!(
        "panicked: {}",
        text.unwrap_or("with no text")
    )))
}

/// Says how many places there are, where there are any.
fn busy(places: Option<u32>) -> Reply {
    Reply::NotStarted(NotStarted::Busy {
        retry_after: RETRY_AFTER,
        places: places.and_then(NonZeroU32::new),
    })
}

fn timed_out() -> Reply {
    Reply::Fault(Fault::new(
        504,
        "timed_out",
        "the task did not answer in time",
    ))
}

fn stopped() -> Reply {
    Reply::Fault(Fault::new(
        503,
        "stopped",
        "the worker stopped before the task had answered",
    ))
}
