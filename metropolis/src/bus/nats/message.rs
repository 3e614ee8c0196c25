//! Our messages to the library's and back. Nothing is trusted in either direction.

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_nats::header::{HeaderMap, HeaderName, HeaderValue};
use async_nats::message::OutboundMessage;
use async_nats::{Message, StatusCode};
use bytes::Bytes;

use crate::bus::{Incoming, Outgoing};
use crate::subject::Subject;
use crate::wire::Headers;

/// What the library sends.
pub(super) fn outbound(outgoing: Outgoing) -> OutboundMessage {
    OutboundMessage {
        subject: subject(outgoing.subject),
        reply: outgoing.reply.map(subject),
        headers: header_map(&outgoing.headers),
        payload: outgoing.payload,
    }
}

/// Whether a server says with this that nobody subscribes to the subject of a request.
pub(super) fn is_no_responders(message: &Message) -> bool {
    message.status == Some(StatusCode::NO_RESPONDERS) && message.payload.is_empty()
}

/// What we hand on; `None`, counted, for a message whose subjects break our grammar. `known` is the subject it probably
/// has, and need not be checked again.
///
/// Subjects are copied and the payload is not: all are slices of a read buffer of 64 KiB, and a reply subject is kept as
/// long as a task runs, while a payload is usually decoded at once.
pub(super) fn incoming(
    message: Message,
    known: Option<&Subject>,
    malformed: &AtomicU64,
) -> Option<Incoming> {
    let subject = match known {
        Some(known) if *known.as_bytes() == *message.subject.as_bytes() => Ok(known.clone()),
        _ => parse(&message.subject),
    };
    let reply = message.reply.as_deref().map(parse).transpose();
    let (Ok(subject), Ok(reply)) = (subject, reply) else {
        malformed.fetch_add(1, Ordering::Relaxed);
        return None;
    };
    Some(Incoming {
        subject,
        reply,
        headers: message
            .headers
            .map(|map| headers(&map, malformed))
            .unwrap_or_default(),
        payload: message.payload,
        arrived: Instant::now(),
    })
}

fn parse(text: &str) -> Result<Subject, crate::subject::SubjectError> {
    Subject::parse(Bytes::copy_from_slice(text.as_bytes()))
}

fn subject(subject: Subject) -> async_nats::Subject {
    async_nats::Subject::from_utf8(subject.into_bytes())
        .expect("a subject is ASCII by its constructor")
}

/// The library panics on a text it does not like, unless it is asked to parse it.
#[expect(
    clippy::disallowed_methods,
    reason = "names and values were parsed before"
)]
fn header_map(headers: &Headers) -> Option<HeaderMap> {
    if headers.is_empty() {
        return None;
    }
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter() {
        let name = HeaderName::from_str(name).expect("our names are stricter than the library's");
        let value = HeaderValue::from_str(value).expect("our values hold no control character");
        map.append(name, value);
    }
    Some(map)
}

fn headers(map: &HeaderMap, malformed: &AtomicU64) -> Headers {
    let mut headers = Headers::new();
    for (name, values) in map.iter() {
        for value in values {
            if headers.append(name.to_string(), value.as_str()).is_err() {
                malformed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    headers
}
