//! One subscription, on whichever link the connection has: what is subscribed, and where its messages go.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::link::Link;
use super::outbox::Closed;
use super::{Connection, lock};
use crate::bus::{Incoming, Taker};
use crate::subject::{Queue, Subject};

/// How long a drained subscription is still listened to after the server has let it go.
///
/// The answer to the ping comes after everything the server had written. A message that another of its connections was
/// just handing over may be written a moment later.
const AFTERGLOW: Duration = Duration::from_millis(50);

/// One subscription.
pub(super) struct Source {
    /// Its number on every link, never used for another.
    pub(super) sid: u64,
    filter: String,
    /// The filter as a subject; none where it has wildcards.
    subject: Option<Subject>,
    queue: Option<Queue>,
    denied: AtomicBool,
    ended: AtomicBool,
    to: To,
}

/// Where messages go.
enum To {
    /// To somebody who comes for them.
    Inlet {
        capacity: usize,
        inlet: Mutex<Inlet>,
    },
    /// To somebody who takes them on the spot.
    Taker(Taker),
}

#[derive(Default)]
struct Inlet {
    arrivals: VecDeque<Arrival>,
    caller: Option<Waker>,
}

enum Arrival {
    Message(Incoming),
    /// The server's word that nobody listens to what was published with this as its reply subject.
    NobodyThere,
}

impl Source {
    /// A subscription whose messages wait until they are taken, and past this many are dropped.
    pub(super) fn with_inlet(
        sid: u64,
        filter: &str,
        queue: Option<&Queue>,
        capacity: usize,
    ) -> Self {
        let inlet = Mutex::default();
        Self::new(sid, filter, queue, To::Inlet { capacity, inlet })
    }

    /// A subscription whose messages are taken where they are read.
    pub(super) fn with_taker(sid: u64, filter: &str, queue: Option<&Queue>, taker: Taker) -> Self {
        Self::new(sid, filter, queue, To::Taker(taker))
    }

    fn new(sid: u64, filter: &str, queue: Option<&Queue>, to: To) -> Self {
        Self {
            sid,
            filter: filter.to_owned(),
            subject: Subject::parse(filter.to_owned()).ok(),
            queue: queue.cloned(),
            denied: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            to,
        }
    }

    pub(super) fn subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }

    /// Whether members of a queue share its messages, so that two subscriptions of one process may overlap.
    pub(super) fn is_shared(&self) -> bool {
        self.queue.is_some()
    }

    /// Whether this is the subscription a server speaks of.
    pub(super) fn is_of(&self, filter: &str, queue: Option<&str>) -> bool {
        self.filter == filter && self.queue.as_ref().map(Queue::as_str) == queue
    }

    pub(super) fn subscribe(&self, link: &Link) -> Result<(), Closed> {
        link.subscribe(&self.filter, self.queue.as_ref(), self.sid)
    }

    pub(super) fn is_denied(&self) -> bool {
        self.denied.load(Ordering::Acquire)
    }

    /// Ends a subscription the server refused.
    pub(super) fn deny(&self) {
        self.denied.store(true, Ordering::Release);
        self.end();
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Takes nothing more; what waits is still handed out.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        if let To::Inlet { inlet, .. } = &self.to {
            let caller = lock(inlet).caller.take();
            caller.into_iter().for_each(Waker::wake);
        }
    }

    /// Takes a message; says whether there was room for it.
    pub(super) fn take(&self, incoming: Incoming) -> bool {
        if self.is_over() {
            return true;
        }
        match &self.to {
            To::Taker(taker) => {
                taker(incoming);
                true
            }
            To::Inlet { .. } => self.enqueue(Arrival::Message(incoming)),
        }
    }

    /// Takes the word that nobody was there for what was published.
    pub(super) fn nobody_there(&self) {
        // Without room, whoever waits has other answers.
        let _ = self.enqueue(Arrival::NobodyThere);
    }

    fn enqueue(&self, arrival: Arrival) -> bool {
        let To::Inlet { capacity, inlet } = &self.to else {
            return true;
        };
        let mut inlet = lock(inlet);
        if inlet.arrivals.len() >= *capacity {
            return false;
        }
        inlet.arrivals.push_back(arrival);
        let caller = inlet.caller.take();
        drop(inlet);
        caller.into_iter().for_each(Waker::wake);
        true
    }

    fn poll_next(&self, context: &Context<'_>) -> Poll<Option<Arrival>> {
        let To::Inlet { inlet, .. } = &self.to else {
            return Poll::Ready(None);
        };
        let mut inlet = lock(inlet);
        if let Some(arrival) = inlet.arrivals.pop_front() {
            return Poll::Ready(Some(arrival));
        }
        // Asked under the lock under which an end takes the caller.
        if self.is_over() {
            return Poll::Ready(None);
        }
        match &mut inlet.caller {
            Some(caller) => caller.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("filter", &self.filter)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// The caller's half of a subscription. Dropping it leaves at once.
#[derive(Debug)]
pub(in crate::bus) struct Subscription {
    source: Arc<Source>,
    connection: Arc<Connection>,
    draining: bool,
}

impl Subscription {
    pub(super) fn new(source: Arc<Source>, connection: Arc<Connection>) -> Self {
        Self {
            source,
            connection,
            draining: false,
        }
    }

    pub(in crate::bus) async fn next(&mut self) -> Option<Incoming> {
        poll_fn(|context| {
            loop {
                match std::task::ready!(self.source.poll_next(context)) {
                    Some(Arrival::Message(incoming)) => return Poll::Ready(Some(incoming)),
                    // Only whoever collects answers wants to know.
                    Some(Arrival::NobodyThere) => {}
                    None => return Poll::Ready(None),
                }
            }
        })
        .await
    }

    /// As [`next`](Self::next), but the server's word that nobody listens is the end.
    pub(in crate::bus) async fn next_answer(&mut self) -> Option<Incoming> {
        let arrival = poll_fn(|context| self.source.poll_next(context)).await;
        match arrival? {
            Arrival::Message(incoming) => Some(incoming),
            Arrival::NobodyThere => None,
        }
    }

    pub(in crate::bus) fn try_next(&mut self) -> Option<Incoming> {
        let context = Context::from_waker(Waker::noop());
        loop {
            match self.source.poll_next(&context) {
                Poll::Ready(Some(Arrival::Message(incoming))) => return Some(incoming),
                Poll::Ready(Some(Arrival::NobodyThere)) => {}
                Poll::Ready(None) | Poll::Pending => return None,
            }
        }
    }

    pub(in crate::bus) fn drain(&mut self, deadline: Instant) {
        if !std::mem::replace(&mut self.draining, true) {
            let (source, connection) = (Arc::clone(&self.source), Arc::clone(&self.connection));
            tokio::spawn(async move { drain(&source, &connection, deadline).await });
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.connection.forget(&self.source);
    }
}

/// A subscription whose messages are taken where they are read. Dropping it leaves at once.
#[derive(Debug)]
pub(in crate::bus) struct Serving {
    source: Arc<Source>,
    connection: Arc<Connection>,
}

impl Serving {
    pub(super) fn new(source: Arc<Source>, connection: Arc<Connection>) -> Self {
        Self { source, connection }
    }

    /// Leaves without losing a message; the taker has been given the last one when this returns.
    pub(in crate::bus) async fn drain(self, deadline: Instant) {
        drain(&self.source, &self.connection, deadline).await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.connection.forget(&self.source);
    }
}

/// Leaves a subscription: the server is told, and what it had sent by then still comes, before the answer to a ping.
async fn drain(source: &Source, connection: &Connection, deadline: Instant) {
    // A link that has ended meanwhile owes nothing more.
    if let Some(link) = connection.link() {
        leave(&link, &[source.sid], deadline).await;
    }
    source.end();
}

/// Ends subscriptions on one link without losing what is under way on it.
pub(super) async fn leave(link: &Link, sids: &[u64], deadline: Instant) {
    for sid in sids {
        if link.unsubscribe(*sid).is_err() {
            return;
        }
    }
    if let Err(error) = link.ping(deadline).await {
        tracing::debug!(%error, "a subscription was left without knowing that everything came");
        return;
    }
    let glow = Instant::now() + AFTERGLOW;
    tokio::time::sleep_until(deadline.min(glow).into()).await;
}
