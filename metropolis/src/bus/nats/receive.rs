//! From a frame to whoever waits for it: a request, or a subscription.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::protocol::Frame;
use super::protocol::headers::{self, Block};
use super::source::Source;
use super::{Connection, INBOX_SID};
use crate::bus::{Answer, Incoming, RequestError};
use crate::subject::Subject;
use crate::wire::Headers;

/// The status of the word that nobody subscribes to the subject of a request.
const NO_RESPONDERS: u16 = 503;

/// What came in one piece.
pub(super) struct Batch<'c> {
    connection: &'c Connection,
    arrived: Instant,
    /// Where the last message went; the next one usually goes there too.
    last: Option<Arc<Source>>,
}

impl<'c> Batch<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            arrived: Instant::now(),
            last: None,
        }
    }

    pub(super) fn receive(&mut self, frame: Frame) {
        if frame.sid == INBOX_SID {
            return self.connection.answer(frame);
        }
        let is_same = self.last.as_ref().is_some_and(|last| last.sid == frame.sid);
        if !is_same {
            self.last = self.connection.source(frame.sid);
        }
        // Without a source it is one of a subscription that has ended.
        let Some(source) = &self.last else { return };
        let block = block(&frame);
        if is_no_responders(&block, &frame) {
            return source.nobody_there();
        }
        let known = source.subject();
        let known = known.filter(|known| known.as_bytes() == frame.subject());
        let incoming = self
            .connection
            .incoming(frame, block, known.cloned(), self.arrived);
        if incoming.is_some_and(|incoming| !source.take(incoming)) {
            self.connection.count_dropped();
        }
    }
}

impl Connection {
    /// Hands an answer to the request that waits for it.
    fn answer(&self, frame: Frame) {
        let block = block(&frame);
        let token = self.mux.token(frame.subject());
        if is_no_responders(&block, &frame) {
            return self.mux.end(token, Err(RequestError::NoResponders));
        }
        // A subject that has a token is a literal one.
        let is_literal = token.is_some() || Subject::parse(frame.shared_subject()).is_ok();
        let reply = frame.shared_reply().map(Subject::parse).transpose();
        if !is_literal || reply.is_err() {
            return self.count_malformed(1);
        }
        let answer = Answer {
            headers: self.headers(block),
            payload: frame.into_payload(),
        };
        self.mux.end(token, Ok(answer));
    }

    /// What we hand on; `None`, counted, for a message whose subjects break our grammar. `known` is its subject, where that
    /// need not be checked.
    fn incoming(
        &self,
        frame: Frame,
        block: Option<Block>,
        known: Option<Subject>,
        arrived: Instant,
    ) -> Option<Incoming> {
        let subject = match known {
            Some(known) => Ok(known),
            None => Subject::parse(frame.shared_subject()),
        };
        let reply = frame.shared_reply().map(Subject::parse).transpose();
        let (Ok(subject), Ok(reply)) = (subject, reply) else {
            self.count_malformed(1);
            return None;
        };
        Some(Incoming {
            subject,
            reply,
            headers: self.headers(block),
            payload: frame.into_payload(),
            arrived,
        })
    }

    fn count_malformed(&self, more: u64) {
        self.lost.malformed.fetch_add(more, Ordering::Relaxed);
    }

    /// Drops come in storms, so only the first is worth a line.
    fn count_dropped(&self) {
        if self.lost.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!(
                "a subscription is full and loses messages; further losses are only counted"
            );
        }
    }

    fn headers(&self, block: Option<Block>) -> Headers {
        let Some(block) = block else {
            return Headers::new();
        };
        if block.malformed > 0 {
            self.count_malformed(block.malformed);
        }
        block.headers
    }
}

fn block(frame: &Frame) -> Option<Block> {
    let block = frame.headers();
    (!block.is_empty()).then(|| headers::read(block))
}

/// Whether a server says with this that nobody subscribes to the subject of a request.
fn is_no_responders(block: &Option<Block>, frame: &Frame) -> bool {
    let status = block.as_ref().and_then(|block| block.status);
    status == Some(NO_RESPONDERS) && frame.is_empty()
}
