//! What travels over a bus: a message as it is sent, and as it arrives.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::PublishError;
use crate::subject::{SUBJECT_AND_REPLY_MAX, Subject};
use crate::wire::Headers;

/// Payloads up to this size are copied when they have to wait; a larger one is a good part of what it holds on to.
const DETACHED_MAX: usize = 4 * 1024;

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

impl Outgoing {
    /// A message without payload, headers and reply subject.
    #[must_use]
    pub fn empty(subject: Subject) -> Self {
        Self {
            subject,
            reply: None,
            headers: Headers::new(),
            payload: Bytes::new(),
        }
    }
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

impl Incoming {
    /// The same, without holding on to the buffer it was read into: for one that is kept for a while.
    pub(crate) fn detached(self) -> Self {
        Self {
            subject: self.subject.detached(),
            reply: self.reply.map(Subject::detached),
            payload: if self.payload.len() < DETACHED_MAX {
                Bytes::copy_from_slice(&self.payload)
            } else {
                self.payload
            },
            ..self
        }
    }
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its headers.
    pub headers: Headers,
    /// Its payload.
    pub payload: Bytes,
}

/// Takes messages where they arrive, on whatever thread that is: it must be quick, and must not block.
pub(crate) type Taker = Arc<dyn Fn(Incoming) + Send + Sync>;

/// A message that was not accepted, and why.
#[derive(Debug)]
pub(crate) struct Unsent {
    pub(crate) error: PublishError,
    pub(crate) outgoing: Outgoing,
}

/// Checks a message against what a bus takes, before anything is sent.
pub(super) fn check_limits(outgoing: &Outgoing, max: usize) -> Result<(), PublishError> {
    let size = outgoing.payload.len() + outgoing.headers.wire_len();
    if size > max {
        return Err(PublishError::TooLarge { size, max });
    }
    let reply = outgoing
        .reply
        .as_ref()
        .map_or(0, |reply| reply.as_bytes().len());
    if outgoing.subject.as_bytes().len() + reply > SUBJECT_AND_REPLY_MAX {
        return Err(PublishError::SubjectTooLong);
    }
    Ok(())
}
