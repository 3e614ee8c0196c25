//! One subscription on a server: where its messages are taken from, and how it is left without losing one.
//!
//! The library's own ways to leave lose messages that are under way (async-nats 0.51, `drain` and `unsubscribe`). What
//! loses none is to agree on a count: the server stops after it and the client expects exactly as many.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use async_nats::{Client, Message, Subscriber};
use futures_util::{FutureExt, StreamExt};
use tokio::task::coop::unconstrained;

use super::{Connection, lock, message};
use crate::bus::{CAPACITY_MAX, Incoming};
use crate::subject::{Queue, Subject};

/// The fewest further messages a drain asks for. Too few lose messages, too many only take time.
const FURTHER_MIN: u64 = 64;

/// For how long at least a drain looks at the traffic before it says how much of it is still wanted.
const SAMPLE: Duration = Duration::from_millis(100);

/// A subscription that gets no message for this long during a drain is left at once.
const IDLE: Duration = Duration::from_millis(250);

/// How long one round trip may take during a drain.
const FENCE_TIMEOUT: Duration = Duration::from_millis(500);

/// Pause before a command that found the client's queue full is tried again.
const RETRY: Duration = Duration::from_millis(1);

/// The shared half of a subscription: the caller takes messages from it, a reconnect or a drain changes it.
#[derive(Debug)]
pub(super) struct Source {
    filter: String,
    /// What every message is published on, where the filter holds no wildcard.
    subject: Option<Subject>,
    queue: Option<Queue>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` when the subscription has ended, and while the client it was made on is replaced.
    subscriber: Option<Subscriber>,
    /// The client it was made on.
    client: Weak<Client>,
    /// What is still to come over the client before this one, which a lame duck server will close.
    retiring: Option<Arc<Source>>,
    ended: bool,
    /// Messages taken from this subscriber; a new subscriber counts from zero, as does the server.
    taken: u64,
    /// Taken from a subscriber and not yet by the caller.
    backlog: VecDeque<Message>,
    draining: bool,
    denied: bool,
    /// Whether client and server count from the same message, so that they can agree on a count.
    aligned: bool,
    /// The caller that waits. Whoever else polls the subscriber takes its place there, and wakes it.
    caller: Option<Waker>,
}

impl Source {
    /// Subscribes, not yet confirmed; `None` when the client has died.
    pub(super) async fn open(
        client: &Arc<Client>,
        filter: &str,
        queue: Option<&Queue>,
    ) -> Option<Arc<Self>> {
        let subscriber = subscribe(client, filter, queue).await?;
        let state = State {
            subscriber: Some(subscriber),
            client: Arc::downgrade(client),
            retiring: None,
            ended: false,
            taken: 0,
            backlog: VecDeque::new(),
            draining: false,
            denied: false,
            aligned: true,
            caller: None,
        };
        Some(Arc::new(Self {
            filter: filter.to_owned(),
            subject: Subject::parse(filter.to_owned()).ok(),
            queue: queue.cloned(),
            state: Mutex::new(state),
        }))
    }

    /// Goes on with this client, if it is another one: the one before has died.
    pub(super) async fn move_to(&self, client: &Arc<Client>) {
        if self.is_on(client) {
            return;
        }
        let subscriber = subscribe(client, &self.filter, self.queue.as_ref()).await;
        self.change(|state| {
            state.pull();
            state.succeed(subscriber, client);
        });
    }

    /// Goes on with this client beside the one before; gives what that one still has to be drained of.
    ///
    /// Members of a queue may overlap. A plain subscription would get messages twice, so it moves in one step.
    pub(super) async fn hand_over(&self, client: &Arc<Client>) -> Option<Arc<Self>> {
        if self.is_on(client) {
            return None;
        }
        let subscriber = subscribe(client, &self.filter, self.queue.as_ref()).await?;
        self.change(|state| {
            state.pull();
            let may_overlap = self.queue.is_some() && state.retiring.is_none();
            if !may_overlap || state.draining || state.ended {
                state.succeed(Some(subscriber), client);
                return None;
            }
            let retiring = Arc::new(Self {
                filter: self.filter.clone(),
                subject: self.subject.clone(),
                queue: self.queue.clone(),
                state: Mutex::new(state.retire()?),
            });
            state.succeed(Some(subscriber), client);
            state.retiring = Some(Arc::clone(&retiring));
            Some(retiring)
        })
    }

    fn is_on(&self, client: &Arc<Client>) -> bool {
        lock(&self.state).client.as_ptr() == Arc::as_ptr(client)
    }

    /// Subscribes anew while the connection is down, instead of being subscribed again by the library.
    ///
    /// After a reconnect the server counts from zero and the library goes on counting, and an agreed count would differ
    /// by everything that came before: a drain would lose as many messages.
    pub(super) fn renew(&self, client: &Client) {
        self.change(|state| {
            state.pull();
            if state.draining {
                // What the server still owed was lost with the connection.
                state.end();
            }
            if state.ended {
                return;
            }
            let subscribing = subscribe(client, &self.filter, self.queue.as_ref());
            state.aligned = match unconstrained(pin!(subscribing)).now_or_never() {
                Some(Some(subscriber)) => {
                    state.subscriber = Some(subscriber);
                    state.taken = 0;
                    true
                }
                // The client's queue is full: the library subscribes the old one again.
                _ => false,
            };
        });
    }

    /// Ends the subscription; what was taken from it is still handed out.
    pub(super) fn end(&self) {
        self.change(|state| {
            state.pull();
            state.end();
        });
    }

    /// Ends a subscription the server refused.
    pub(super) fn deny(&self) {
        self.change(|state| {
            state.denied = true;
            state.end();
        });
    }

    pub(super) fn is_denied(&self) -> bool {
        lock(&self.state).denied
    }

    /// Whether this is the subscription a server speaks of.
    pub(super) fn is_of(&self, filter: &str, queue: Option<&str>) -> bool {
        self.filter == filter && self.queue.as_ref().map(Queue::as_str) == queue
    }

    /// Takes what has come; says how many messages that makes in all, or `None` when the subscription has ended.
    fn pull(&self) -> Option<u64> {
        self.change(|state| {
            state.pull();
            state.subscriber.as_ref().map(|_| state.taken)
        })
    }

    /// Asks the server to stop after some further messages; says whether the client's queue had room to.
    fn stop_after(&self, further: u64) -> bool {
        self.change(|state| {
            state.pull();
            let Some(subscriber) = state.subscriber.as_mut().filter(|_| state.aligned) else {
                return true;
            };
            let stopping = subscriber.unsubscribe_after(state.taken + further);
            unconstrained(pin!(stopping)).now_or_never().is_some()
        })
    }

    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut state = lock(&self.state);
        if let Some(message) = state.backlog.pop_front() {
            return Poll::Ready(Some(message));
        }
        if let Poll::Ready(message) = state.poll_subscriber(context) {
            return Poll::Ready(Some(message));
        }
        if let Poll::Ready(message) = state.poll_retiring(context) {
            return Poll::Ready(Some(message));
        }
        if state.ended && state.retiring.is_none() {
            return Poll::Ready(None);
        }
        match &mut state.caller {
            Some(caller) => caller.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = lock(&self.state);
        let result = change(&mut state);
        let caller = state.caller.take();
        drop(state);
        caller.into_iter().for_each(Waker::wake);
        result
    }
}

impl State {
    fn poll_subscriber(&mut self, context: &mut Context<'_>) -> Poll<Message> {
        let Some(subscriber) = &mut self.subscriber else {
            return Poll::Pending;
        };
        match subscriber.poll_next_unpin(context) {
            Poll::Ready(Some(message)) => {
                self.taken += 1;
                Poll::Ready(message)
            }
            Poll::Ready(None) => {
                self.run_dry();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_retiring(&mut self, context: &mut Context<'_>) -> Poll<Message> {
        let Some(retiring) = &self.retiring else {
            return Poll::Pending;
        };
        match retiring.poll_next(context) {
            Poll::Ready(Some(message)) => Poll::Ready(message),
            Poll::Ready(None) => {
                self.retiring = None;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// The subscriber has nothing more: the agreed count is reached, or its client has died and will be replaced.
    fn run_dry(&mut self) {
        self.subscriber = None;
        self.ended |= self.draining;
    }

    fn end(&mut self) {
        self.subscriber = None;
        self.ended = true;
        if let Some(retiring) = &self.retiring {
            retiring.end();
        }
    }

    /// Goes on with another subscriber, or with none when the new client has died as well.
    fn succeed(&mut self, subscriber: Option<Subscriber>, client: &Arc<Client>) {
        if self.draining {
            // What the server still owed was lost with the client.
            self.end();
        }
        if !self.ended {
            self.subscriber = subscriber;
            self.client = Arc::downgrade(client);
            self.taken = 0;
            self.aligned = true;
        }
    }

    /// Takes out the subscriber, as a state of its own that is drained.
    fn retire(&mut self) -> Option<Self> {
        Some(Self {
            subscriber: Some(self.subscriber.take()?),
            client: self.client.clone(),
            retiring: None,
            ended: false,
            taken: self.taken,
            backlog: VecDeque::new(),
            draining: true,
            denied: false,
            aligned: self.aligned,
            caller: None,
        })
    }

    fn pull(&mut self) {
        // The bound is there for a server that sends faster than we take.
        for _ in 0..CAPACITY_MAX {
            let Some(subscriber) = &mut self.subscriber else {
                return;
            };
            match unconstrained(subscriber.next()).now_or_never() {
                Some(Some(message)) => {
                    self.taken += 1;
                    self.backlog.push_back(message);
                }
                Some(None) => self.run_dry(),
                None => return,
            }
        }
    }
}

async fn subscribe(client: &Client, filter: &str, queue: Option<&Queue>) -> Option<Subscriber> {
    let subscribed = match queue {
        Some(queue) => {
            client
                .queue_subscribe(filter.to_owned(), queue.as_str().to_owned())
                .await
        }
        None => client.subscribe(filter.to_owned()).await,
    };
    // Filter and queue were checked, so an error means that nobody takes commands any more.
    subscribed.ok()
}

/// The caller's half of a subscription.
#[derive(Debug)]
pub(in crate::bus) struct Subscription {
    source: Arc<Source>,
    connection: Arc<Connection>,
}

impl Subscription {
    pub(super) fn new(source: Arc<Source>, connection: Arc<Connection>) -> Self {
        Self { source, connection }
    }

    pub(in crate::bus) async fn next(&mut self) -> Option<Incoming> {
        loop {
            let message = poll_fn(|context| self.source.poll_next(context)).await?;
            if let Some(incoming) = self.incoming(message) {
                return Some(incoming);
            }
        }
    }

    /// As [`next`](Self::next), but the server's word that nobody listens is the end.
    pub(in crate::bus) async fn next_answer(&mut self) -> Option<Incoming> {
        loop {
            let message = poll_fn(|context| self.source.poll_next(context)).await?;
            if message::is_no_responders(&message) {
                return None;
            }
            if let Some(incoming) = self.incoming(message) {
                return Some(incoming);
            }
        }
    }

    pub(in crate::bus) fn try_next(&mut self) -> Option<Incoming> {
        // Unconstrained, because a task that has used up its budget would hear that nothing is here.
        unconstrained(self.next()).now_or_never().flatten()
    }

    pub(in crate::bus) fn drain(&mut self, deadline: Instant) {
        let mut state = lock(&self.source.state);
        if !std::mem::replace(&mut state.draining, true) {
            if state.subscriber.is_none() {
                // Its client has died: nothing is under way.
                state.ended = true;
            }
            tokio::spawn(drain(
                Arc::clone(&self.source),
                Arc::clone(&self.connection),
                deadline,
            ));
        }
    }

    fn incoming(&self, message: Message) -> Option<Incoming> {
        // A server tells who published with a reply subject that nobody listens; that is news for requests only.
        if message::is_no_responders(&message) {
            return None;
        }
        message::incoming(
            message,
            self.source.subject.as_ref(),
            &self.connection.lost.malformed,
        )
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.source.end();
    }
}

/// Leaves a subscription: agree on a count, wait until it is reached, and see to it that an idle one ends too.
pub(super) async fn drain(source: Arc<Source>, connection: Arc<Connection>, deadline: Instant) {
    let further = further(&source, &connection, deadline).await;
    while !source.stop_after(further) && Instant::now() < deadline {
        tokio::time::sleep(RETRY).await;
    }
    // One last round trip must fit in before the deadline.
    let patience = deadline.checked_sub(FENCE_TIMEOUT).unwrap_or(deadline);
    while source.is_expecting() && !source.is_idle(patience).await && Instant::now() < patience {}
    if source.pull().is_some() {
        fence(&connection, deadline).await;
        source.end();
    }
}

/// Messages to ask for still: four times what comes in the time of one round trip, or in [`SAMPLE`] if that is longer.
///
/// As many as come in one round trip are under way when the server hears of the count, and it must not have sent more
/// than that by then. Traffic comes in bursts, so one short round trip alone would promise too little.
async fn further(source: &Source, connection: &Connection, deadline: Instant) -> u64 {
    let before = source.pull();
    let sampled = deadline.min(Instant::now() + SAMPLE);
    fence(connection, deadline).await;
    tokio::time::sleep_until(sampled.into()).await;
    let after = source.pull();
    let came = after
        .zip(before)
        .map_or(0, |(after, before)| after.saturating_sub(before));
    FURTHER_MIN.max(4 * came)
}

async fn fence(connection: &Connection, deadline: Instant) {
    let deadline = deadline.min(Instant::now() + FENCE_TIMEOUT);
    if let Err(error) = connection.fence(deadline).await {
        tracing::debug!(%error, "a round trip during a drain did not come back");
    }
}

impl Source {
    /// Whether the end will come by itself, at the agreed count.
    fn is_expecting(&self) -> bool {
        let state = lock(&self.state);
        state.aligned && state.subscriber.is_some()
    }

    /// Waits a while; says whether nothing came in it.
    async fn is_idle(&self, deadline: Instant) -> bool {
        let before = self.pull();
        tokio::time::sleep_until(deadline.min(Instant::now() + IDLE).into()).await;
        before == self.pull()
    }
}
