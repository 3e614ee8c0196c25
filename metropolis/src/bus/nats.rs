//! The bus over a NATS server: its protocol, spoken by ourselves.
//!
//! The client library of the field hands every message from task to task twice, and loses requests where it stops,
//! reconnects, or reads a header it does not like (async-nats 0.51). Here whoever sends writes into the socket's buffer,
//! whoever serves is called by whoever reads, and a stop is one round trip. What that is worth stands in
//! docs/performance.md. [`link`] is one connection, the [`supervisor`] puts another in its place.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use self::dial::Dialled;
use self::link::Link;
use self::source::Source;
use self::supervisor::Trouble;
use super::mux::Mux;
use super::{
    Answer, CAPACITY_MAX, Counters, Outgoing, PublishError, RequestError, SUBSCRIPTIONS_MAX,
    SubscribeError, Taker, check_limits,
};
use crate::subject::{Queue, Subject};
use crate::trace::TraceId;

mod address;
mod connect;
mod dial;
mod link;
mod options;
mod outbox;
mod protocol;
mod receive;
mod refusal;
mod silence;
mod source;
mod supervisor;
mod tls;

pub use options::{ConnectError, NatsOptions};
pub(super) use source::{Serving, Subscription};

/// How long a new subscription may take to be confirmed by the server.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The subscription to all answers, on every link; those of others come after it.
const INBOX_SID: u64 = 1;

/// One connection to a server or cluster; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Nats(Arc<Connection>);

/// A connection and its siblings, which are counted together.
#[derive(Debug, Default)]
struct Family {
    members: Mutex<Vec<Weak<Connection>>>,
    /// Told when the server of one has fallen silent, which the others may be about to notice.
    silence: Notify,
}

impl Family {
    fn add(&self, connection: &Arc<Connection>) {
        let mut members = lock(&self.members);
        members.retain(|member| member.strong_count() > 0);
        members.push(Arc::downgrade(connection));
    }

    fn counters(&self) -> Counters {
        let members = self.members();
        let counters = members.iter().map(|connection| connection.counters());
        counters.fold(Counters::default(), Counters::with)
    }

    fn is_connected(&self) -> bool {
        self.members().iter().all(|member| member.link().is_some())
    }

    fn members(&self) -> Vec<Arc<Connection>> {
        lock(&self.members)
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }
}

/// What outlives every link.
#[derive(Debug)]
struct Connection {
    /// Kept, to connect again as at the start.
    options: NatsOptions,
    family: Arc<Family>,
    /// `None` once the bus is closed, and while a link that was lost is replaced.
    link: Mutex<Option<Arc<Link>>>,
    /// What the last link took, for the time in which there is none.
    payload_max: AtomicUsize,
    mux: Arc<Mux>,
    /// By their numbers.
    sources: Mutex<HashMap<u64, Arc<Source>>>,
    sids: AtomicU64,
    /// Where the supervisor hears of trouble.
    troubles: mpsc::Sender<Trouble>,
    lost: Lost,
    restored: Restored,
    /// Ended with the connection: they hold ends of it, and would keep it alive.
    tasks: Mutex<JoinSet<()>>,
}

/// What came and was not handed on, or refused by the server.
#[derive(Debug, Default)]
struct Lost {
    dropped: AtomicU64,
    malformed: AtomicU64,
    /// What the server complained of.
    errors: AtomicU64,
}

/// How often the connection was there again.
#[derive(Debug, Default)]
struct Restored {
    reconnects: AtomicU64,
    rebuilds: AtomicU64,
    /// Changes each time.
    times: watch::Sender<u64>,
}

impl Restored {
    fn count(&self, what: &AtomicU64) {
        what.fetch_add(1, Ordering::Relaxed);
        self.times.send_modify(|times| *times += 1);
    }
}

impl Nats {
    pub(super) async fn connect(options: NatsOptions) -> Result<Self, ConnectError> {
        Self::join(Arc::default(), &options).await
    }

    /// Connects once more, as this one did.
    pub(super) async fn sibling(&self) -> Result<Self, ConnectError> {
        Self::join(Arc::clone(&self.0.family), &self.0.options).await
    }

    async fn join(family: Arc<Family>, options: &NatsOptions) -> Result<Self, ConnectError> {
        connect::connect(options, family).await.map(Self)
    }

    pub(super) fn payload_max(&self) -> usize {
        self.0.payload_max()
    }

    pub(super) fn has_jetstream(&self) -> bool {
        self.0.link().is_some_and(|link| link.has_jetstream())
    }

    pub(super) fn is_connected(&self) -> bool {
        self.0.family.is_connected()
    }

    pub(super) fn request(
        &self,
        outgoing: Outgoing,
        deadline: Instant,
        trace: Option<TraceId>,
    ) -> impl Future<Output = Result<Answer, RequestError>> + Send {
        self.0.request(outgoing, deadline, trace)
    }

    pub(super) async fn publish(
        &self,
        outgoing: Outgoing,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        let link = self.0.link().ok_or(PublishError::NotConnected)?;
        send(&link, &outgoing, deadline).await
    }

    /// Sends without waiting, whatever waits for the socket already. It may stay here for as long as it has leeway.
    pub(super) fn publish_within(
        &self,
        leeway: Duration,
        outgoing: &Outgoing,
    ) -> Result<(), PublishError> {
        let link = self.0.link().ok_or(PublishError::NotConnected)?;
        send_within(leeway, &link, outgoing)
    }

    pub(super) fn batch<R>(&self, send: impl FnOnce() -> R) -> R {
        let Some(link) = self.0.link() else {
            return send();
        };
        let _cork = link.cork();
        send()
    }

    /// Waits for a lost connection to be there again, unless the bus is closed.
    pub(super) async fn connected_by(&self, deadline: Instant) {
        let mut times = self.0.restored.times.subscribe();
        let is_away = || self.0.link().is_none() && !self.0.mux.is_closed();
        let back = async { while is_away() && times.changed().await.is_ok() {} };
        // Past the deadline there is none, which whoever sends will see.
        let _ = tokio::time::timeout_at(deadline.into(), back).await;
    }

    pub(super) async fn subscribe(
        &self,
        filter: &str,
        queue: Option<&Queue>,
        capacity: usize,
    ) -> Result<Subscription, SubscribeError> {
        let capacity = capacity.clamp(1, CAPACITY_MAX);
        let source = Source::with_inlet(self.0.next_sid(), filter, queue, capacity);
        let source = self.0.open(source).await?;
        Ok(Subscription::new(source, Arc::clone(&self.0)))
    }

    pub(super) async fn serve(
        &self,
        filter: &str,
        queue: &Queue,
        taker: Taker,
    ) -> Result<Serving, SubscribeError> {
        let source = Source::with_taker(self.0.next_sid(), filter, Some(queue), taker);
        let source = self.0.open(source).await?;
        Ok(Serving::new(source, Arc::clone(&self.0)))
    }

    pub(super) fn restored(&self) -> watch::Receiver<u64> {
        self.0.restored.times.subscribe()
    }

    pub(super) fn inbox(&self) -> Subject {
        self.0.mux.inbox()
    }

    pub(super) async fn fence(&self, deadline: Instant) -> Result<(), RequestError> {
        let link = self.0.link().ok_or(RequestError::NotConnected)?;
        link.ping(deadline).await
    }

    pub(super) fn counters(&self) -> Counters {
        self.0.family.counters()
    }

    pub(super) async fn close(&self, deadline: Instant) {
        // Without the round trip the last messages could be lost with the link.
        if let Err(error) = self.fence(deadline).await {
            tracing::warn!(%error, "the bus is closed without knowing that everything left");
        }
        self.0.shut();
    }
}

impl Connection {
    fn counters(&self) -> Counters {
        let Lost {
            dropped, malformed, ..
        } = &self.lost;
        let Restored {
            reconnects,
            rebuilds,
            ..
        } = &self.restored;
        Counters {
            in_flight: self.mux.in_flight(),
            late_replies: self.mux.late(),
            dropped: dropped.load(Ordering::Relaxed),
            malformed: malformed.load(Ordering::Relaxed),
            reconnects: reconnects.load(Ordering::Relaxed),
            rebuilds: rebuilds.load(Ordering::Relaxed),
        }
    }

    /// A request's slot is taken before the link is looked at: whoever came before a loss is told of it, and whoever
    /// comes after sees it.
    async fn request(
        &self,
        mut outgoing: Outgoing,
        deadline: Instant,
        trace: Option<TraceId>,
    ) -> Result<Answer, RequestError> {
        let to = Some(&outgoing.subject);
        let (pending, reply) = self.mux.open(deadline, to, trace)?;
        let link = self.link().ok_or(RequestError::NotConnected)?;
        outgoing.reply = Some(reply);
        send(&link, &outgoing, deadline).await?;
        drop((link, outgoing));
        pending.await
    }

    fn link(&self) -> Option<Arc<Link>> {
        lock(&self.link)
            .as_ref()
            .filter(|link| !link.is_over())
            .cloned()
    }

    fn is_current(&self, link: &Weak<Link>) -> bool {
        let current = lock(&self.link);
        current
            .as_ref()
            .is_some_and(|current| Arc::as_ptr(current) == link.as_ptr())
    }

    fn payload_max(&self) -> usize {
        match &*lock(&self.link) {
            Some(link) => link.payload_max(),
            None => self.payload_max.load(Ordering::Relaxed),
        }
    }

    /// Begins a link, its inbox first; `None` when it has ended already.
    fn begin(self: &Arc<Self>, dialled: Dialled) -> Option<Arc<Link>> {
        let link = Link::start(dialled, self);
        link.subscribe(&self.mux.filter(), None, INBOX_SID).ok()?;
        Some(link)
    }

    /// Makes a link the one to use; says whether the bus is open still.
    fn install(&self, link: &Arc<Link>) -> bool {
        let mut current = lock(&self.link);
        // Asked under the lock under which a closing bus takes the link away.
        if self.mux.is_closed() {
            return false;
        }
        *current = Some(Arc::clone(link));
        true
    }

    fn take_link(&self) -> Option<Arc<Link>> {
        let link = lock(&self.link).take()?;
        self.payload_max
            .store(link.payload_max(), Ordering::Relaxed);
        Some(link)
    }

    fn next_sid(&self) -> u64 {
        self.sids.fetch_add(1, Ordering::Relaxed)
    }

    /// Subscribes, and waits until the server has confirmed it.
    async fn open(&self, source: Source) -> Result<Arc<Source>, SubscribeError> {
        let link = self.link().ok_or(SubscribeError::NotConnected)?;
        let source = self.register(source)?;
        let deadline = Instant::now() + SUBSCRIBE_TIMEOUT;
        let confirmed = match source.subscribe(&link) {
            // A refusal comes before the answer to a later ping.
            Ok(()) => link.ping(deadline).await.is_ok(),
            Err(_) => false,
        };
        if confirmed && !source.is_denied() {
            return Ok(source);
        }
        self.forget(&source);
        Err(if source.is_denied() {
            SubscribeError::Denied
        } else {
            SubscribeError::NotConnected
        })
    }

    fn register(&self, source: Source) -> Result<Arc<Source>, SubscribeError> {
        let mut sources = lock(&self.sources);
        if sources.len() >= SUBSCRIPTIONS_MAX {
            return Err(SubscribeError::TooMany);
        }
        let source = Arc::new(source);
        sources.insert(source.sid, Arc::clone(&source));
        Ok(source)
    }

    /// Ends a subscription at once; what is under way to it is lost.
    fn forget(&self, source: &Source) {
        source.end();
        lock(&self.sources).remove(&source.sid);
        if let Some(link) = self.link() {
            // An error means that the link has ended, and its subscriptions with it.
            let _ = link.unsubscribe(source.sid);
        }
    }

    fn source(&self, sid: u64) -> Option<Arc<Source>> {
        lock(&self.sources).get(&sid).cloned()
    }

    fn sources(&self) -> Vec<Arc<Source>> {
        lock(&self.sources).values().cloned().collect()
    }

    /// Lets go of everything that keeps the socket open.
    fn shut(&self) {
        // First, because no new link is put in the place of the old one from here on.
        self.mux.close();
        if let Some(link) = self.take_link() {
            link.end();
        }
        // Whoever waits for the connection to be back sees that it is closed.
        self.restored.times.send_modify(|times| *times += 1);
        lock(&self.tasks).abort_all();
        self.sources().iter().for_each(|source| source.end());
    }
}

/// Sends, after waiting for room if there is none.
async fn send(link: &Link, outgoing: &Outgoing, deadline: Instant) -> Result<(), PublishError> {
    if link.is_full() {
        let waited = tokio::time::timeout_at(deadline.into(), link.room()).await;
        waited.map_err(|_| PublishError::NotConnected)?;
    }
    send_within(Duration::ZERO, link, outgoing)
}

fn send_within(leeway: Duration, link: &Link, outgoing: &Outgoing) -> Result<(), PublishError> {
    check_limits(outgoing, link.payload_max())?;
    link.publish_within(leeway, outgoing)
        .map_err(|_| PublishError::NotConnected)
}

/// Locks what no foreign code runs under: a poisoned lock holds whole values.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
