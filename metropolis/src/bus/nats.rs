//! The bus over a NATS server. This file and its children are the only ones that know the client library.
//!
//! Requests go through our own multiplexer and stopping through our own drain, because the library's lose messages
//! (async-nats 0.51). The library reconnects by itself; what has to follow from that happens in [`watch`]. A server that
//! has fallen silent is noticed by the [`heartbeat`], and a client that died is replaced by the [`supervisor`].

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_nats::Client;
use async_nats::client::PublishErrorKind;
use async_nats::client::traits::Publisher;
use async_nats::connection::State;
use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::heartbeat::Heart;
use self::source::Source;
use self::supervisor::Alarm;
use super::mux::Mux;
use super::{
    Counters, Incoming, Outgoing, PublishError, RequestError, SUBSCRIPTIONS_MAX, SubscribeError,
    check_limits,
};
use crate::subject::{Queue, Subject};

mod connect;
mod heartbeat;
mod message;
mod options;
mod source;
mod supervisor;
mod watch;

pub use options::{ConnectError, NatsOptions};
pub(super) use source::Subscription;

/// How long a new subscription may take to be confirmed by the server.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often whoever waits for a lost connection looks for it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One connection to a server or cluster; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Nats(Arc<Connection>);

#[derive(Debug)]
struct Connection {
    /// Kept, to connect again as at the start.
    options: NatsOptions,
    /// `None` once the bus is closed, and while a client that died is replaced.
    client: Mutex<Option<Arc<Client>>>,
    /// What the last client took, for the time in which there is none.
    payload_max: AtomicUsize,
    mux: Arc<Mux>,
    sources: Mutex<Vec<Weak<Source>>>,
    heart: Heart,
    /// Where the supervisor hears of trouble.
    alarms: mpsc::Sender<Alarm>,
    lost: Lost,
    restored: Restored,
    /// Ended with the connection: they hold ends of it, and would keep it alive.
    tasks: Mutex<JoinSet<()>>,
}

/// What came and was not handed on.
#[derive(Debug, Default)]
struct Lost {
    dropped: Arc<AtomicU64>,
    malformed: AtomicU64,
}

/// How often the connection was there again.
#[derive(Debug, Default)]
struct Restored {
    reconnects: AtomicU64,
    rebuilds: AtomicU64,
}

impl Nats {
    pub(super) async fn connect(options: NatsOptions) -> Result<Self, ConnectError> {
        connect::connect(&options).await.map(Self)
    }

    pub(super) fn payload_max(&self) -> usize {
        self.0.payload_max()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.0.connected_client().is_some()
    }

    pub(super) async fn request(
        &self,
        outgoing: Outgoing,
        deadline: Instant,
    ) -> Result<Incoming, RequestError> {
        self.0.request(outgoing, deadline).await
    }

    pub(super) async fn publish(
        &self,
        outgoing: Outgoing,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        let client = self
            .0
            .connected_client()
            .ok_or(PublishError::NotConnected)?;
        self.0.send(&client, outgoing, deadline).await
    }

    /// Waits for a lost connection to be there again, unless the bus is closed.
    pub(super) async fn connected_by(&self, deadline: Instant) {
        while !self.is_connected() && !self.0.mux.is_closed() && Instant::now() < deadline {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(super) async fn subscribe(
        &self,
        filter: &str,
        queue: Option<&Queue>,
    ) -> Result<Subscription, SubscribeError> {
        let deadline = Instant::now() + SUBSCRIBE_TIMEOUT;
        let client = self
            .0
            .connected_client()
            .ok_or(SubscribeError::NotConnected)?;
        let opening = Source::open(&client, filter, queue);
        let source = within(deadline, opening)
            .await
            .flatten()
            .ok_or(SubscribeError::NotConnected)?;
        self.0.register(&source)?;
        self.0.keep_current(&source).await;
        let subscription = Subscription::new(Arc::clone(&source), Arc::clone(&self.0));
        // The subscription is only known to be active once the server has processed something sent after it. A refusal
        // comes before that, but through tasks of its own, so it gets the time of a second round trip.
        for _ in 0..2 {
            let fence = self.0.fence(deadline).await;
            fence.map_err(|_| SubscribeError::NotConnected)?;
        }
        if source.is_denied() {
            return Err(SubscribeError::Denied);
        }
        Ok(subscription)
    }

    pub(super) fn inbox(&self) -> Subject {
        self.0.mux.inbox()
    }

    pub(super) async fn fence(&self, deadline: Instant) -> Result<(), RequestError> {
        self.0.fence(deadline).await
    }

    pub(super) fn counters(&self) -> Counters {
        Counters {
            in_flight: self.0.mux.in_flight(),
            late_replies: self.0.mux.late(),
            dropped: self.0.lost.dropped.load(Ordering::Relaxed),
            malformed: self.0.lost.malformed.load(Ordering::Relaxed),
            reconnects: self.0.restored.reconnects.load(Ordering::Relaxed),
            rebuilds: self.0.restored.rebuilds.load(Ordering::Relaxed),
        }
    }

    pub(super) async fn close(&self, deadline: Instant) {
        // Without the round trip the last messages could be lost with the client.
        if let Err(error) = self.0.fence(deadline).await {
            tracing::warn!(%error, "the bus is closed without knowing that everything left");
        }
        self.0.shut();
    }
}

impl Connection {
    /// A request's slot is taken before the connection is looked at: whoever came before a loss is told of it, and
    /// whoever comes after sees it.
    async fn request(
        &self,
        mut outgoing: Outgoing,
        deadline: Instant,
    ) -> Result<Incoming, RequestError> {
        let pending = self.mux.open(deadline, Some(&outgoing.subject))?;
        let client = self.connected_client().ok_or(RequestError::NotConnected)?;
        outgoing.reply = Some(pending.reply_subject());
        self.send(&client, outgoing, deadline).await?;
        pending.await
    }

    async fn fence(&self, deadline: Instant) -> Result<(), RequestError> {
        let client = self.connected_client().ok_or(RequestError::NotConnected)?;
        self.fence_over(&client, deadline).await
    }

    /// A message to oneself, answered by its own arrival.
    async fn fence_over(
        &self,
        client: &Arc<Client>,
        deadline: Instant,
    ) -> Result<(), RequestError> {
        let pending = self.mux.open(deadline, None)?;
        if client.connection_state() != State::Connected {
            return Err(RequestError::NotConnected);
        }
        let outgoing = Outgoing::empty(pending.reply_subject());
        self.send(client, outgoing, deadline).await?;
        pending.await.map(drop)
    }

    /// The checks of the library are repeated here only where they come too late or say too little.
    async fn send(
        &self,
        client: &Arc<Client>,
        outgoing: Outgoing,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        check_limits(&outgoing, client.max_payload())?;
        let sending = client.publish_message(message::outbound(outgoing));
        match within(deadline, sending).await {
            Some(Ok(())) => Ok(()),
            // The library refuses sizes and subjects, which were checked, and sends to a client that has died.
            Some(Err(error)) => {
                if error.kind() == PublishErrorKind::Send {
                    self.raise(Alarm::Died(Arc::downgrade(client)));
                }
                Err(PublishError::NotConnected)
            }
            None => Err(PublishError::NotConnected),
        }
    }

    fn client(&self) -> Option<Arc<Client>> {
        lock(&self.client).clone()
    }

    fn connected_client(&self) -> Option<Arc<Client>> {
        self.client().filter(|client| {
            client.connection_state() == State::Connected && !self.heart.is_suspect()
        })
    }

    fn is_current(&self, client: &Weak<Client>) -> bool {
        self.client()
            .is_some_and(|current| Weak::ptr_eq(&Arc::downgrade(&current), client))
    }

    fn payload_max(&self) -> usize {
        match &*lock(&self.client) {
            Some(client) => client.max_payload(),
            None => self.payload_max.load(Ordering::Relaxed),
        }
    }

    fn register(&self, source: &Arc<Source>) -> Result<(), SubscribeError> {
        let mut sources = lock(&self.sources);
        sources.retain(|source| source.strong_count() > 0);
        if sources.len() >= SUBSCRIPTIONS_MAX {
            return Err(SubscribeError::TooMany);
        }
        sources.push(Arc::downgrade(source));
        Ok(())
    }

    /// A client may have been replaced while a subscription was made on it, before anybody knew of the subscription.
    async fn keep_current(&self, source: &Source) {
        if let Some(current) = self.client() {
            source.move_to(&current).await;
        }
    }

    fn sources(&self) -> Vec<Arc<Source>> {
        lock(&self.sources)
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// Lets go of everything that keeps the socket open.
    fn shut(&self) {
        // First, because no new client is put in the place of the old one from here on.
        self.mux.close();
        lock(&self.client).take();
        lock(&self.tasks).abort_all();
        self.sources().iter().for_each(|source| source.end());
    }
}

/// Waits for a future, but not past the deadline. A timer is only made when the future is not ready at once.
async fn within<F: Future>(deadline: Instant, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    if let Some(output) = future.as_mut().now_or_never() {
        return Some(output);
    }
    tokio::time::timeout_at(deadline.into(), future).await.ok()
}

/// Locks what no foreign code runs under: a poisoned lock holds whole values.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
