//! The bus: bytes to bytes, over one small API with two variants behind it.
//!
//! `Embedded` lives in this process; `Nats` is a real server. It is an enum and not a trait: two variants, no plug-ins.
//! Both keep the same promises, which one conformance suite checks on both. No room here knows what a task is. Everything
//! runs inside a Tokio runtime.

use std::time::{Duration, Instant};

use futures_util::future::Either;
use tokio::sync::watch;

use self::message::check_limits;
use crate::subject::{Queue, SUBJECT_AND_REPLY_MAX, Subject, SubjectError, check_filter};
use crate::trace::TraceId;

mod embedded;
mod message;
mod mux;
mod nats;

pub(crate) use message::{Taker, Unsent};

pub use message::{Answer, Incoming, Outgoing};
pub use nats::{ConnectError, NatsOptions};

/// Requests one process may have in flight over one bus; more fail with [`RequestError::Overloaded`].
pub const IN_FLIGHT_MAX: usize = 65_536;

/// Subscriptions one bus takes in one process; more fail with [`SubscribeError::TooMany`].
pub const SUBSCRIPTIONS_MAX: usize = 16_384;

/// Messages one subscription can hold until they are taken, however much its caller asks for.
pub const CAPACITY_MAX: usize = 65_536;

/// How a request ended without an answer. The variants tell what may have happened at the other side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Nobody subscribes to the subject; nothing ran.
    #[error("nobody answers this subject")]
    NoResponders,
    /// Too many requests are in flight in this process; nothing was sent.
    #[error("too many requests are in flight")]
    Overloaded,
    /// The bus is not connected, or could not take the message in time; nothing was sent.
    #[error("the bus is not connected")]
    NotConnected,
    /// Payload and headers are larger than the bus takes; nothing was sent.
    #[error("the message has {size} bytes with its headers; the bus takes {max}")]
    TooLarge {
        /// Bytes of payload and header block.
        size: usize,
        /// Bytes the bus takes.
        max: usize,
    },
    /// Subject and reply subject together are longer than a server takes; nothing was sent.
    #[error("subject and reply subject have more than {SUBJECT_AND_REPLY_MAX} bytes together")]
    SubjectTooLong,
    /// The server does not permit publishing to the subject; nothing ran.
    #[error("the NATS server does not permit publishing to this subject")]
    Denied,
    /// No answer came in time; the task may have run.
    #[error("no answer came in time")]
    TimedOut,
    /// The connection was lost after the request was sent; the task may have run.
    #[error("the connection was lost before the answer came")]
    ConnectionLost,
}

/// Why a message was not accepted for publishing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The bus is not connected, or could not take the message in time.
    #[error("the bus is not connected")]
    NotConnected,
    /// Payload and headers are larger than the bus takes.
    #[error("the message has {size} bytes with its headers; the bus takes {max}")]
    TooLarge {
        /// Bytes of payload and header block.
        size: usize,
        /// Bytes the bus takes.
        max: usize,
    },
    /// Subject and reply subject together are longer than a server takes.
    #[error("subject and reply subject have more than {SUBJECT_AND_REPLY_MAX} bytes together")]
    SubjectTooLong,
}

impl From<PublishError> for RequestError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::NotConnected => Self::NotConnected,
            PublishError::TooLarge { size, max } => Self::TooLarge { size, max },
            PublishError::SubjectTooLong => Self::SubjectTooLong,
        }
    }
}

/// Why a subscription was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The filter breaks the grammar.
    #[error(transparent)]
    Filter(#[from] SubjectError),
    /// The bus is not connected, or did not confirm in time.
    #[error("the bus is not connected")]
    NotConnected,
    /// The server does not permit it; a permission to subscribe is missing there.
    #[error("the NATS server does not permit this subscription")]
    Denied,
    /// This process has as many subscriptions as one bus takes.
    #[error("this process has too many subscriptions")]
    TooMany,
}

/// What a bus counted since it was made, over all of its clones and siblings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that wait for their answer now.
    pub in_flight: usize,
    /// Answers nobody waited for: late, sent twice, or forged.
    pub late_replies: u64,
    /// Messages a full subscription lost.
    pub dropped: u64,
    /// Messages, and single headers of messages, that were dropped because they break the grammar.
    pub malformed: u64,
    /// Times the connection was lost and made again.
    pub reconnects: u64,
    /// Times a connection was replaced before it was lost, because its server was about to leave.
    pub rebuilds: u64,
}

impl Counters {
    /// What both counted together.
    fn with(self, other: Self) -> Self {
        Self {
            in_flight: self.in_flight + other.in_flight,
            late_replies: self.late_replies + other.late_replies,
            dropped: self.dropped + other.dropped,
            malformed: self.malformed + other.malformed,
            reconnects: self.reconnects + other.reconnects,
            rebuilds: self.rebuilds + other.rebuilds,
        }
    }
}

/// The way messages travel. Cloning is cheap and gives the same bus.
#[derive(Debug, Clone)]
pub struct Bus(Variant);

#[derive(Debug, Clone)]
enum Variant {
    Embedded(embedded::Embedded),
    Nats(nats::Nats),
}

impl Bus {
    /// Makes a bus inside this process that nobody else is on; its clones share it.
    #[must_use]
    pub fn embedded() -> Self {
        Self(Variant::Embedded(embedded::Embedded::new()))
    }

    /// Connects to a NATS server, and waits for one that is not there yet.
    ///
    /// Each attempt that finds no server is logged. Once connected, the connection is kept up by itself.
    ///
    /// # Errors
    /// When the options are wrong, the server refuses the credentials or is too old, or none was reached within
    /// [`NatsOptions::connect_timeout`].
    pub async fn connect(options: NatsOptions) -> Result<Self, ConnectError> {
        let nats = nats::Nats::connect(options).await?;
        Ok(Self(Variant::Nats(nats)))
    }

    /// Another connection to the same servers, with an inbox of its own; the embedded bus is its own sibling.
    ///
    /// A connection is read and written on the runtime it was made on, so threads with a runtime each want one each.
    ///
    /// # Errors
    /// As [`Bus::connect`].
    pub async fn sibling(&self) -> Result<Self, ConnectError> {
        match &self.0 {
            Variant::Embedded(_) => Ok(self.clone()),
            Variant::Nats(nats) => Ok(Self(Variant::Nats(nats.sibling().await?))),
        }
    }

    /// Whether this bus reaches no further than this process.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        matches!(self.0, Variant::Embedded(_))
    }

    /// Bytes of payload and header block the bus takes in one message; a reconnect may change it.
    #[must_use]
    pub fn payload_max(&self) -> usize {
        match &self.0 {
            Variant::Embedded(_) => embedded::PAYLOAD_MAX,
            Variant::Nats(nats) => nats.payload_max(),
        }
    }

    /// Whether what is put into streams is heard here: not where the server only leads to one with JetStream, as a leaf
    /// node may.
    pub(crate) fn hears_streams(&self) -> bool {
        match &self.0 {
            Variant::Embedded(_) => true,
            Variant::Nats(nats) => nats.has_jetstream(),
        }
    }

    /// Whether a message sent now would leave, from this bus and from each of its siblings; a closed bus is not connected,
    /// nor one whose server has fallen silent.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        match &self.0 {
            Variant::Embedded(embedded) => embedded.is_open(),
            Variant::Nats(nats) => nats.is_connected(),
        }
    }

    /// Sends a request and waits for the first answer; the reply subject is set here.
    ///
    /// Dropping the future forgets the request and frees its place.
    ///
    /// # Errors
    /// Each variant of [`RequestError`] says what may have happened at the other side.
    pub fn request(
        &self,
        outgoing: Outgoing,
        deadline: Instant,
    ) -> impl Future<Output = Result<Answer, RequestError>> + Send {
        self.request_in_trace(outgoing, deadline, None)
    }

    /// The same in a trace that the reply subject names.
    pub(crate) fn request_in_trace(
        &self,
        outgoing: Outgoing,
        deadline: Instant,
        trace: Option<TraceId>,
    ) -> impl Future<Output = Result<Answer, RequestError>> + Send {
        // No future around these: each would hold the message once more.
        match &self.0 {
            Variant::Embedded(embedded) => {
                Either::Left(embedded.request(outgoing, deadline, trace))
            }
            Variant::Nats(nats) => Either::Right(nats.request(outgoing, deadline, trace)),
        }
    }

    /// Sends a message. `Ok` means that it is on its way, not that anybody took it.
    ///
    /// Usually ready at the first poll; it waits only while the connection is slower than its users.
    ///
    /// # Errors
    /// When the message is too large, or the bus is not connected or does not take it before the deadline.
    pub async fn publish(&self, outgoing: Outgoing, deadline: Instant) -> Result<(), PublishError> {
        match &self.0 {
            Variant::Embedded(embedded) => embedded.publish(outgoing),
            Variant::Nats(nats) => nats.publish(outgoing, deadline).await,
        }
    }

    /// Sends a reply: as [`publish`](Self::publish), but a connection that is lost is waited for.
    ///
    /// Whoever asked has usually not lost its own, and waits for this.
    pub(crate) async fn reply(
        &self,
        outgoing: Outgoing,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        if let Variant::Nats(nats) = &self.0 {
            nats.connected_by(deadline).await;
        }
        self.publish(outgoing, deadline).await
    }

    /// Sends a reply without waiting; what is not taken is given back, for [`reply`](Self::reply). For as long as it has
    /// leeway it may stay in this process, for others to leave with.
    pub(crate) fn reply_within(
        &self,
        leeway: Duration,
        outgoing: Outgoing,
    ) -> Result<(), Box<Unsent>> {
        let unsent = |error, outgoing| Box::new(Unsent { error, outgoing });
        match &self.0 {
            Variant::Embedded(embedded) => {
                if let Err(error) = check_limits(&outgoing, embedded::PAYLOAD_MAX) {
                    return Err(unsent(error, outgoing));
                }
                // A bus that was closed meanwhile has nobody on it who waits.
                let _ = embedded.publish(outgoing);
                Ok(())
            }
            Variant::Nats(nats) => match nats.publish_within(leeway, &outgoing) {
                Ok(()) => Ok(()),
                Err(error) => Err(unsent(error, outgoing)),
            },
        }
    }

    /// Subscribes; what is published after this returns is received.
    ///
    /// `capacity` is how many messages may wait to be taken, [`CAPACITY_MAX`] at most; past it the newest is dropped and
    /// counted.
    ///
    /// # Errors
    /// When the filter breaks the grammar, there are too many subscriptions, or the bus does not confirm.
    pub async fn subscribe(
        &self,
        filter: &str,
        queue: Option<&Queue>,
        capacity: usize,
    ) -> Result<Subscription, SubscribeError> {
        check_filter(filter)?;
        let source = match &self.0 {
            Variant::Embedded(embedded) => {
                Source::Embedded(embedded.subscribe(filter, queue, capacity)?)
            }
            Variant::Nats(nats) => Source::Nats(nats.subscribe(filter, queue, capacity).await?),
        };
        Ok(Subscription(source))
    }

    /// What is sent in here leaves in one piece, at the end, without another thread's help.
    pub(crate) fn batch<R>(&self, send: impl FnOnce() -> R) -> R {
        match &self.0 {
            Variant::Embedded(_) => send(),
            Variant::Nats(nats) => nats.batch(send),
        }
    }

    /// Subscribes as a member of a queue, with a taker that is called where messages arrive.
    ///
    /// # Errors
    /// As [`Bus::subscribe`].
    pub(crate) async fn serve(
        &self,
        filter: &str,
        queue: &Queue,
        taker: Taker,
    ) -> Result<Serving, SubscribeError> {
        check_filter(filter)?;
        let served = match &self.0 {
            Variant::Embedded(embedded) => Served::Embedded(embedded.serve(filter, queue, taker)?),
            Variant::Nats(nats) => Served::Nats(nats.serve(filter, queue, taker).await?),
        };
        Ok(Serving(served))
    }

    /// Waits until everything sent before was processed by the server this bus is connected to.
    ///
    /// This is a round trip through the bus, so it also tells whether the bus works.
    ///
    /// # Errors
    /// As a request to oneself.
    pub async fn fence(&self, deadline: Instant) -> Result<(), RequestError> {
        match &self.0 {
            Variant::Embedded(embedded) => embedded.fence(),
            Variant::Nats(nats) => nats.fence(deadline).await,
        }
    }

    /// Makes a subject for answers to this process, which nobody can guess and nobody uses yet.
    ///
    /// Subscribed plainly it collects the answers of many; [`Bus::request`] needs none.
    #[must_use]
    pub fn inbox(&self) -> Subject {
        match &self.0 {
            Variant::Embedded(embedded) => embedded.inbox(),
            Variant::Nats(nats) => nats.inbox(),
        }
    }

    /// Tells each time a lost connection is there again, after all subscriptions are; `None` where none can be lost.
    pub(crate) fn restored(&self) -> Option<watch::Receiver<u64>> {
        match &self.0 {
            Variant::Embedded(_) => None,
            Variant::Nats(nats) => Some(nats.restored()),
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        match &self.0 {
            Variant::Embedded(embedded) => embedded.counters(),
            Variant::Nats(nats) => nats.counters(),
        }
    }

    /// Closes the bus for all of its clones: what was sent leaves first, if the deadline allows.
    ///
    /// Waiting requests fail, and subscriptions end after what they hold already.
    pub async fn close(&self, deadline: Instant) {
        match &self.0 {
            Variant::Embedded(embedded) => embedded.close(),
            Variant::Nats(nats) => nats.close(deadline).await,
        }
    }
}

/// Messages that match one filter. Dropping it loses what it holds; [`Subscription::drain`] loses nothing.
#[derive(Debug)]
pub struct Subscription(Source);

#[derive(Debug)]
enum Source {
    Embedded(embedded::Subscription),
    Nats(nats::Subscription),
}

impl Subscription {
    /// Waits for the next message; `None` once drained, or when the bus is closed. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Incoming> {
        match &mut self.0 {
            Source::Embedded(subscription) => subscription.next().await,
            Source::Nats(subscription) => subscription.next().await,
        }
    }

    /// Waits for the next answer on an [inbox](Bus::inbox); `None` also when the server says that nobody was there to
    /// answer, which [`next`](Self::next) passes over.
    pub async fn next_answer(&mut self) -> Option<Incoming> {
        match &mut self.0 {
            Source::Embedded(subscription) => subscription.next().await,
            Source::Nats(subscription) => subscription.next_answer().await,
        }
    }

    /// The next message, if one is here already.
    pub fn try_next(&mut self) -> Option<Incoming> {
        match &mut self.0 {
            Source::Embedded(subscription) => subscription.try_next(),
            Source::Nats(subscription) => subscription.try_next(),
        }
    }

    /// Begins to leave, without losing a message: keep calling [`next`](Self::next) until it gives `None`.
    ///
    /// On NATS what the server had sent until it heard of this still comes; at the deadline the subscription ends whatever
    /// is still expected.
    pub fn drain(&mut self, deadline: Instant) {
        match &mut self.0 {
            Source::Embedded(subscription) => subscription.drain(),
            Source::Nats(subscription) => subscription.drain(deadline),
        }
    }
}

/// A subscription with a taker. Dropping it loses what is under way; [`Serving::drain`] loses nothing.
#[derive(Debug)]
pub(crate) struct Serving(Served);

#[derive(Debug)]
enum Served {
    Embedded(embedded::Serving),
    Nats(nats::Serving),
}

impl Serving {
    /// Leaves without losing a message; the taker has been given the last one when this returns.
    pub(crate) async fn drain(self, deadline: Instant) {
        match self.0 {
            Served::Embedded(serving) => serving.drain(deadline).await,
            Served::Nats(serving) => serving.drain(deadline).await,
        }
    }
}
