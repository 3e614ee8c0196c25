//! The bus: bytes to bytes, over one small API with two variants behind it.
//!
//! [`Embedded`](embedded::Embedded) lives in this process; [`Nats`](nats::Nats) is a real server. It is an enum and not
//! a trait: two variants, no plug-ins. Both keep the same promises, which one conformance suite checks on both. No room
//! here knows what a task is.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::subject::{Queue, Subject, SubjectError};
use crate::wire::Headers;

mod embedded;
mod mux;
mod nats;

pub use nats::{ConnectError, NatsOptions};

/// Requests one process may have in flight over one bus; more fail with [`RequestError::Overloaded`].
pub const IN_FLIGHT_MAX: usize = 65_536;

/// A message to send.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Where to.
    pub subject: Subject,
    /// Where an answer may go, for a plain publish; a request sets its own.
    pub reply: Option<Subject>,
    /// Headers, usually none.
    pub headers: Headers,
    /// The payload.
    pub payload: Bytes,
}

/// A message as it arrived.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The subject it was published on.
    pub subject: Subject,
    /// Where an answer goes, when one is wanted.
    pub reply: Option<Subject>,
    /// Its headers.
    pub headers: Headers,
    /// Its payload.
    pub payload: Bytes,
    /// When it reached this process.
    pub arrived: Instant,
}

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
    #[error("subject and reply subject have more than {} bytes together", crate::subject::SUBJECT_AND_REPLY_MAX)]
    SubjectTooLong,
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
    /// This process has as many subscriptions as one bus takes.
    #[error("this process has too many subscriptions")]
    TooMany,
}

/// The way messages travel. Cloning is cheap and gives the same bus.
#[derive(Debug, Clone)]
pub struct Bus(Variant);

#[derive(Debug, Clone)]
enum Variant {
    Embedded(embedded::Embedded),
    Nats(nats::Nats),
}
