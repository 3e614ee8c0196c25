//! The reply multiplexer: finds the request an answer belongs to. Both variants use it, so both have its semantics.
//!
//! Every waiting request has a slot and a reply subject of its own below one common prefix. The subject's last token
//! names the slot and a fresh random number, so that whoever kept an old reply subject cannot answer a stranger. A slot
//! is freed on every exit: answer, time-out, caller gone, panic. One sweeper expires slots instead of a timer for each.

use std::future::Future;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use slab::Slab;
use tokio::time::MissedTickBehavior;

use self::token::Token;
use super::{Answer, IN_FLIGHT_MAX, RequestError};
use crate::random;
use crate::subject::Subject;
use crate::trace::{self, TraceId};

mod token;

/// How often waiting requests are looked at; a time-out is up to this late.
const SWEEP_EVERY: Duration = Duration::from_millis(20);

/// How long requests wait on after their connection was lost, for an answer that may have been read already.
const LOST_GRACE: Duration = Duration::from_millis(250);

/// Reply subjects are cut from pieces of this size, so that most requests allocate none.
const ARENA: usize = 16 * 1024;

/// Requests that wait for an answer.
#[derive(Debug)]
pub(super) struct Mux {
    /// `_INBOX_<role>.<number><random>.`, to which a token is added. The last 16 digits are those of the process, which
    /// all its traces have; the number is the mux's own.
    prefix: String,
    slots: Mutex<Slots>,
    late: AtomicU64,
}

#[derive(Debug)]
struct Slots {
    slab: Slab<Slot>,
    arena: BytesMut,
    /// No slot has an earlier deadline; most sweeps end at this comparison.
    earliest: Option<Instant>,
    /// Whether a sweeper runs. It ends when nothing waits, and the next request starts another.
    swept: bool,
    closed: bool,
}

#[derive(Debug)]
struct Slot {
    nonce: NonZeroU64,
    /// Where the request went, for a server that refuses a subject; a message to oneself goes nowhere.
    to: Option<Subject>,
    deadline: Instant,
    /// What a request is told when its deadline strikes.
    on_expiry: RequestError,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Ended(Result<Answer, RequestError>),
}

impl Mux {
    /// Makes a mux with a prefix nobody can guess who knows no trace of this process. `role` must be a subject token.
    pub(super) fn new(role: &str) -> Arc<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let process = random::of_process();
        let slots = Slots {
            slab: Slab::new(),
            arena: BytesMut::new(),
            earliest: None,
            swept: false,
            closed: false,
        };
        Arc::new(Self {
            prefix: format!("_INBOX_{role}.{number:x}{process:016x}."),
            slots: Mutex::new(slots),
            late: AtomicU64::new(0),
        })
    }

    /// The filter that receives every answer.
    pub(super) fn filter(&self) -> String {
        format!("{}*", self.prefix)
    }

    /// Makes a subject beside this mux's own, which the same permission covers and [`Mux::owns`] does not.
    pub(super) fn inbox(&self) -> Subject {
        let role = self.prefix.split('.').next().unwrap_or_default();
        Subject::parse(format!("{role}.{}", random::token()))
            .expect("two plain tokens make a literal subject")
    }

    /// Whether a message on this subject is an answer to one of our requests, or pretends to be.
    pub(super) fn owns(&self, subject: &Subject) -> bool {
        subject.as_bytes().starts_with(self.prefix.as_bytes())
    }

    /// Takes a slot for one request, and a reply subject for it, which names a trace if it is given one that has begun in
    /// this process. Needs a Tokio runtime, for the sweeper.
    pub(super) fn open(
        self: &Arc<Self>,
        deadline: Instant,
        to: Option<&Subject>,
        trace: Option<TraceId>,
    ) -> Result<(Pending<'_>, Subject), RequestError> {
        let mut slots = self.lock();
        if slots.closed {
            return Err(RequestError::NotConnected);
        }
        if slots.slab.len() >= IN_FLIGHT_MAX {
            return Err(RequestError::Overloaded);
        }
        let named = trace.and_then(TraceId::own_half);
        let token = slots.insert(named.unwrap_or_else(random::number), deadline, to.cloned());
        let reply = slots.reply_subject(&self.prefix, token, named.is_some());
        if !slots.swept {
            slots.swept = true;
            tokio::spawn(sweep(Sweeper {
                mux: Arc::clone(self),
                done: false,
            }));
        }
        Ok((Pending { mux: self, token }, reply))
    }

    /// Gives an answer to the request it belongs to; the first one wins, the others are counted.
    pub(super) fn complete(&self, subject: &Subject, answer: Answer) {
        self.end(self.token(subject.as_bytes()), Ok(answer));
    }

    /// Ends the request a server's status line speaks of.
    pub(super) fn fail(&self, subject: &[u8], why: RequestError) {
        self.end(self.token(subject), Err(why));
    }

    /// What the last token of a reply subject says, below our own prefix. A subject that has one is a literal subject.
    pub(super) fn token(&self, subject: &[u8]) -> Option<Token> {
        subject
            .strip_prefix(self.prefix.as_bytes())
            .and_then(Token::read)
    }

    /// Fails all who wait for an answer from a subject the server does not let us publish to.
    pub(super) fn deny(&self, subject: &str) {
        if subject.starts_with(&self.prefix) {
            return self.fail(subject.as_bytes(), RequestError::Denied);
        }
        self.fail_where(RequestError::Denied, |slot| {
            slot.to.as_ref().is_some_and(|to| to.as_str() == subject)
        });
    }

    /// Fails all who wait, because the server does not let us subscribe to their answers.
    pub(super) fn deny_all(&self) {
        self.fail_where(RequestError::Denied, |_| true);
    }

    fn fail_where(&self, why: RequestError, concerns: impl Fn(&Slot) -> bool) {
        let mut slots = self.lock();
        let mut wakers = Vec::new();
        for (_, slot) in &mut slots.slab {
            if concerns(slot) {
                wakers.extend(slot.end(Err(why.clone())).flatten());
            }
        }
        drop(slots);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Shortens the wait of all who sent something: their answers will hardly come.
    pub(super) fn connection_lost(&self) {
        let limit = Instant::now() + LOST_GRACE;
        let mut slots = self.lock();
        for (_, slot) in &mut slots.slab {
            slot.deadline = slot.deadline.min(limit);
            slot.on_expiry = RequestError::ConnectionLost;
        }
        slots.earliest = slots.earliest.map(|earliest| earliest.min(limit));
    }

    /// Fails all who wait, and all who come.
    pub(super) fn close(&self) {
        let mut slots = self.lock();
        slots.closed = true;
        let mut wakers = Vec::new();
        for (_, slot) in &mut slots.slab {
            wakers.extend(slot.end(Err(RequestError::ConnectionLost)).flatten());
        }
        drop(slots);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether [`close`](Self::close) was called.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Requests that wait now.
    pub(super) fn in_flight(&self) -> usize {
        self.lock().slab.len()
    }

    /// Answers that found no request.
    pub(super) fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Ends the request a token names; without one, or where that request has ended, what came is counted as late.
    pub(super) fn end(&self, token: Option<Token>, result: Result<Answer, RequestError>) {
        let ended = token.and_then(|token| {
            let mut slots = self.lock();
            let slot = slots.slab.get_mut(token.slot)?;
            (slot.nonce == token.nonce)
                .then(|| slot.end(result))
                .flatten()
        });
        // The lock is released by now: whoever wakes may want it.
        match ended {
            Some(waker) => waker.into_iter().for_each(Waker::wake),
            None => {
                self.late.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Expires what is due, and says whether anything waits still.
    fn sweep(&self, now: Instant) -> bool {
        let mut slots = self.lock();
        let wakers = slots.expire(now);
        slots.swept = !slots.slab.is_empty();
        let waiting = slots.swept;
        drop(slots);
        wakers.into_iter().for_each(Waker::wake);
        waiting
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // Nothing under this lock runs foreign code, so a poisoned one holds whole values.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn insert(&mut self, nonce: NonZeroU64, deadline: Instant, to: Option<Subject>) -> Token {
        let slot = self.slab.insert(Slot {
            nonce,
            to,
            deadline,
            on_expiry: RequestError::TimedOut,
            state: State::Waiting(None),
        });
        self.earliest = Some(
            self.earliest
                .map_or(deadline, |earliest| earliest.min(deadline)),
        );
        Token { slot, nonce }
    }

    fn reply_subject(&mut self, prefix: &str, token: Token, names_trace: bool) -> Subject {
        if self.arena.capacity() < prefix.len() + Token::LEN_MAX {
            self.arena = BytesMut::with_capacity(ARENA);
        }
        self.arena.put_slice(prefix.as_bytes());
        token.write(&mut self.arena);
        if names_trace {
            self.arena.put_u8(trace::IN_REPLY);
        }
        // A prefix of plain tokens and a token of hex digits, with a mark or not, make a literal subject.
        Subject::known(self.arena.split().freeze())
    }

    fn expire(&mut self, now: Instant) -> Vec<Waker> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let mut wakers = Vec::new();
        self.earliest = None;
        for (_, slot) in &mut self.slab {
            if slot.deadline <= now {
                let why = slot.on_expiry.clone();
                wakers.extend(slot.end(Err(why)).flatten());
            } else {
                self.earliest = Some(
                    self.earliest
                        .map_or(slot.deadline, |earliest| earliest.min(slot.deadline)),
                );
            }
        }
        wakers
    }
}

impl Slot {
    /// Ends a waiting request; `None` when it had ended before.
    fn end(&mut self, result: Result<Answer, RequestError>) -> Option<Option<Waker>> {
        match &mut self.state {
            State::Waiting(waker) => {
                let waker = waker.take();
                self.state = State::Ended(result);
                Some(waker)
            }
            State::Ended(_) => None,
        }
    }
}

/// One request that waits: a future of its answer. Dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Pending<'m> {
    mux: &'m Mux,
    token: Token,
}

impl Future for Pending<'_> {
    type Output = Result<Answer, RequestError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slots = self.mux.lock();
        let slot = slots
            .slab
            .get_mut(self.token.slot)
            .expect("a slot lives as long as its request");
        match &mut slot.state {
            State::Waiting(Some(waker)) => waker.clone_from(context.waker()),
            State::Waiting(none) => *none = Some(context.waker().clone()),
            State::Ended(result) => {
                // The slot stays until the drop; what it holds from here on is never looked at.
                return Poll::Ready(std::mem::replace(result, Err(RequestError::TimedOut)));
            }
        }
        Poll::Pending
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let slot = self.mux.lock().slab.try_remove(self.token.slot);
        // Dropped here, without the lock: a waker is foreign code.
        drop(slot);
    }
}

/// The right to sweep. A runtime that ends drops its tasks; then the right must be free for another runtime.
#[derive(Debug)]
struct Sweeper {
    mux: Arc<Mux>,
    done: bool,
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if !self.done {
            self.mux.lock().swept = false;
        }
    }
}

async fn sweep(mut sweeper: Sweeper) {
    let mut tick = tokio::time::interval(SWEEP_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    while !sweeper.done {
        tick.tick().await;
        sweeper.done = !sweeper.mux.sweep(Instant::now());
    }
}

#[cfg(test)]
mod tests;
