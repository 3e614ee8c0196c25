//! One served task: admits its messages, polls each call in place, spawns what has to wait, answers each once.
//!
//! Places are counted here. `concurrency` calls may run and as many messages may wait; a message past that is answered
//! *busy* at once. A call that ends hands its place to the longest waiting message.

use std::any::Any;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinError;
use tokio::task::coop::unconstrained;
use tokio::time::{sleep_until, timeout_at};

use super::pace::{Pace, is_slow_lane, slow_lane};
use crate::bus::{Bus, Incoming, Outgoing, Subscription};
use crate::catalog::Entry;
use crate::dispatch::{Call, Dispatch};
use crate::fault::Fault;
use crate::log::Flood;
use crate::replies::ReplyRule;
use crate::subject::Subject;
use crate::telemetry::Counts;
use crate::wire::{Headers, NotStarted, Reply};

/// When a busy worker may be asked again.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// How long the bus may take to accept a reply; a connection that was just lost is usually back by then.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages that may lie between the bus and a lane, per place of the lane: more than one, because they arrive in
/// bursts, and past them the bus drops what nobody has seen.
const BUFFERED_PER_PLACE: usize = 4;
/// The smallest buffer, for tasks with few places.
const BUFFERED_MIN: usize = 1024;

/// What the lanes of one worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) bus: Bus,
    pub(crate) instance: Arc<str>,
    pub(crate) replies: Arc<ReplyRule>,
    /// When the worker stops: the time by which every subscription has to have ended.
    pub(crate) leaving: watch::Receiver<Option<Instant>>,
    /// True once running calls must end.
    pub(crate) aborted: watch::Receiver<bool>,
}

/// One served task.
#[derive(Debug)]
pub(crate) struct Lane {
    dispatch: Dispatch,
    shared: Arc<Shared>,
    counts: Arc<Counts>,
    pace: Pace,
    places: Mutex<Places>,
    idle: Notify,
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

/// How a spawned call left the runtime it was on.
enum Left {
    Ended(Reply),
    /// Its task proved slow: the rest belongs on the slow lane.
    Moves(Call),
}

impl Lane {
    pub(crate) fn new(dispatch: Dispatch, counts: Arc<Counts>, shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            dispatch,
            shared,
            counts,
            pace: Pace::default(),
            places: Mutex::default(),
            idle: Notify::new(),
            flood: Flood::new(),
        })
    }

    pub(crate) fn entry(&self) -> &Entry {
        self.dispatch.entry()
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// How many messages may be buffered before this lane has seen them.
    pub(crate) fn capacity(&self) -> usize {
        (self.concurrency() * BUFFERED_PER_PLACE).max(BUFFERED_MIN)
    }

    /// Takes messages until the subscription ends.
    pub(crate) async fn serve(self: Arc<Self>, mut subscription: Subscription) {
        let mut leaving = self.shared.leaving.clone();
        while let Some(incoming) = next(&mut subscription, &mut leaving).await {
            if !self.shared.replies.admits(&incoming) {
                self.counts.refuse();
                continue;
            }
            match self.admit(incoming) {
                Admission::Runs(incoming) => self.run_in_place(incoming).await,
                Admission::Waits => {}
                Admission::Busy(incoming) => {
                    self.reply(incoming.reply, busy(), Duration::ZERO).await;
                }
            }
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

    fn concurrency(&self) -> usize {
        self.entry().meta().concurrency
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What runs takes no place yet: most calls end in this loop, one at a time, and only those that wait are counted.
    fn admit(&self, incoming: Incoming) -> Admission {
        let places = &mut *self.places();
        if places.running < self.concurrency() {
            return Admission::Runs(incoming);
        }
        if places.waiting.len() < self.concurrency() {
            places.waiting.push_back(incoming);
            places.note_in(&self.counts);
            return Admission::Waits;
        }
        Admission::Busy(incoming)
    }

    fn take_place(&self) {
        let places = &mut *self.places();
        places.running += 1;
        places.note_in(&self.counts);
    }

    /// Hands the place of an ended call to the longest waiting message, or frees it.
    fn release(&self) -> Option<Incoming> {
        let places = &mut *self.places();
        let next = places.waiting.pop_front();
        if next.is_none() {
            places.running -= 1;
            if places.running == 0 {
                self.idle.notify_waiters();
            }
        }
        places.note_in(&self.counts);
        next
    }

    /// Runs a message in this loop as long as it does not have to wait; then it takes a place.
    async fn run_in_place(self: &Arc<Self>, mut incoming: Incoming) {
        let to = incoming.reply.take();
        match self.start(incoming) {
            Start::Ended(reply, took) => self.reply(to, reply, took).await,
            Start::Waits(call) => {
                self.take_place();
                self.spawn(to, call);
            }
        }
    }

    fn open(&self, incoming: Incoming) -> Result<Call, Reply> {
        let (now, arrived) = (Instant::now(), incoming.arrived);
        let call = self.dispatch.open(incoming, now)?;
        self.counts.start(now.saturating_duration_since(arrived));
        Ok(call)
    }

    fn start(&self, incoming: Incoming) -> Start {
        match self.open(incoming) {
            Err(reply) => Start::Ended(reply, Duration::ZERO),
            Ok(call) if self.entry().meta().blocking || self.pace.is_slow() => Start::Waits(call),
            Ok(call) => self.first_poll(call),
        }
    }

    /// Most calls are over after one poll; a spawn for each would cost three times the work.
    ///
    /// Unconstrained, because a budget shared with the loop would make ready futures answer that they have to wait.
    fn first_poll(&self, mut call: Call) -> Start {
        self.pace.prepare();
        let mut nobody = task::Context::from_waker(Waker::noop());
        let poll = || pin!(unconstrained(call.future.as_mut())).poll(&mut nobody);
        let polled = std::panic::catch_unwind(AssertUnwindSafe(poll));
        let took = call.started.elapsed();
        self.pace.note(took);
        match polled {
            Ok(Poll::Ready(reply)) => Start::Ended(reply.in_trace(call.trace_id), took),
            Ok(Poll::Pending) => Start::Waits(call),
            Err(panic) => {
                let reply = self.panicked(&*panic).in_trace(call.trace_id);
                Start::Ended(reply, took)
            }
        }
    }

    fn spawn(self: &Arc<Self>, to: Option<Subject>, call: Call) {
        let rest = Arc::clone(self).finish(to, call);
        match slow_lane_for(&self.pace) {
            Some(slow_lane) => slow_lane.spawn(rest),
            None => tokio::spawn(rest),
        };
    }

    /// Ends a spawned call, then takes on what waits for its place.
    async fn finish(self: Arc<Self>, to: Option<Subject>, call: Call) {
        let mut next = Some((to, call));
        while let Some((to, call)) = next.take() {
            if self.entry().meta().blocking {
                self.run_blocking(to, call).await;
            } else {
                let (started, trace_id) = (call.started, call.trace_id);
                match self.run(call).await {
                    Left::Ended(reply) => {
                        let reply = reply.in_trace(trace_id);
                        self.reply(to, reply, started.elapsed()).await;
                    }
                    Left::Moves(call) => return self.spawn(to, call),
                }
            }
            next = self.next_call().await;
        }
    }

    /// The next waiting message that can be started; those that cannot are answered on the way, and once running calls
    /// have to end, no other is started.
    async fn next_call(&self) -> Option<(Option<Subject>, Call)> {
        while let Some(mut incoming) = self.release() {
            let to = incoming.reply.take();
            if *self.shared.aborted.borrow() {
                self.reply(to, busy(), Duration::ZERO).await;
                continue;
            }
            match self.open(incoming) {
                Ok(call) => return Some((to, call)),
                Err(reply) => self.reply(to, reply, Duration::ZERO).await,
            }
        }
        None
    }

    /// Runs a call to its end, to its deadline, or to the worker's.
    async fn run(&self, mut call: Call) -> Left {
        let deadline = call.deadline;
        let rest = AssertUnwindSafe(poll_fn(|cx| self.poll(&mut call, cx))).catch_unwind();
        // In this order, because most calls are ready when they are polled again, and then no abort need be waited for.
        let ended = tokio::select! {
            biased;
            caught = timeout_at(deadline.into(), rest) => match caught {
                Ok(Ok(polled)) => polled,
                Ok(Err(panic)) => Some(self.panicked(&*panic)),
                Err(_) => Some(timed_out()),
            },
            () = self.aborted() => Some(stopped()),
        };
        ended.map_or(Left::Moves(call), Left::Ended)
    }

    /// `None` when the task has proved slow and this thread is not for slow ones.
    fn poll(&self, call: &mut Call, cx: &mut task::Context<'_>) -> Poll<Option<Reply>> {
        if self.pace.is_slow() && !is_slow_lane() && slow_lane().is_some() {
            return Poll::Ready(None);
        }
        self.pace
            .measure(|| call.future.as_mut().poll(cx))
            .0
            .map(Some)
    }

    /// A blocking call cannot be dropped. It is answered when its time is up, but keeps its place as long as its thread.
    async fn run_blocking(&self, to: Option<Subject>, call: Call) {
        let (deadline, started, trace_id) = (call.deadline, call.started, call.trace_id);
        let mut thread = tokio::task::spawn_blocking(|| call.future.now_or_never());
        let reply = tokio::select! {
            joined = &mut thread => {
                let reply = self.joined(joined).in_trace(trace_id);
                return self.reply(to, reply, started.elapsed()).await;
            }
            () = sleep_until(deadline.into()) => timed_out(),
            () = self.aborted() => stopped(),
        };
        let reply = reply.in_trace(trace_id);
        self.reply(to, reply, started.elapsed()).await;
        let _ = thread.await;
    }

    fn joined(&self, joined: Result<Option<Reply>, JoinError>) -> Reply {
        match joined {
            Ok(reply) => reply.expect("a plain fn is ready at once"),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => self.panicked(&*panic),
                Err(_) => stopped(),
            },
        }
    }

    async fn aborted(&self) {
        let mut aborted = self.shared.aborted.clone();
        if aborted.wait_for(|aborted| *aborted).await.is_err() {
            // The worker was dropped without a stop; nobody is left who could say when to end.
            std::future::pending::<()>().await;
        }
    }

    fn panicked(&self, panic: &(dyn Any + Send)) -> Reply {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Reply::Fault(Fault::internal(format!(
            "panicked: {}",
            text.unwrap_or("with no text")
        )))
    }

    /// Sends the one terminal reply of a request, counts it, and logs what its caller is not told.
    async fn reply(&self, to: Option<Subject>, reply: Reply, took: Duration) {
        self.counts.reply(&reply, took);
        self.log(&reply, to.is_some());
        let Some(to) = to else { return };
        let (headers, payload) = self.fitting(reply);
        let outgoing = Outgoing {
            subject: to,
            reply: None,
            headers,
            payload,
        };
        if let Err(error) = self
            .shared
            .bus
            .reply(outgoing, Instant::now() + REPLY_TIMEOUT)
            .await
        {
            let task = self.entry().meta().name;
            if self.may_log("a reply was lost") {
                tracing::error!(task, %error, "a reply was lost");
            }
        }
    }

    /// The reply as bytes, or a fault in its place when it is larger than the bus takes.
    fn fitting(&self, reply: Reply) -> (Headers, Bytes) {
        let max = self.shared.bus.payload_max();
        let (headers, payload) = reply.encode(&self.shared.instance);
        let size = payload.len() + headers.wire_len();
        if size <= max {
            return (headers, payload);
        }
        let task = self.entry().meta().name;
        if self.may_log("a reply is larger than the bus takes") {
            tracing::error!(task, size, max, "a reply is larger than the bus takes");
        }
        let fault = Fault::new(
            500,
            "reply_too_large",
            "the reply is larger than the bus takes",
        );
        Reply::Fault(fault).encode(&self.shared.instance)
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
        self.flood.lets_through(kind, tell)
    }
}

/// The next message. When the worker stops, the subscription is left, and this goes on until nothing is in it any more.
async fn next(
    subscription: &mut Subscription,
    leaving: &mut watch::Receiver<Option<Instant>>,
) -> Option<Incoming> {
    loop {
        // Asked before every message: a subscription that is never empty must hear of the stop as well.
        if leaving.has_changed().unwrap_or_default() {
            leave(subscription, leaving);
        }
        tokio::select! {
            biased;
            incoming = subscription.next() => return incoming,
            Ok(()) = leaving.changed() => leave(subscription, leaving),
        }
    }
}

fn leave(subscription: &mut Subscription, leaving: &mut watch::Receiver<Option<Instant>>) {
    if let Some(deadline) = *leaving.borrow_and_update() {
        subscription.drain(deadline);
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

fn slow_lane_for(pace: &Pace) -> Option<&'static Handle> {
    pace.is_slow().then(slow_lane).flatten()
}

fn busy() -> Reply {
    Reply::NotStarted(NotStarted::Busy {
        retry_after: RETRY_AFTER,
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
