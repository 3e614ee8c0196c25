//! What travels in a message: headers, and how a request and a reply are written into one and read back.
//!
//! Nothing here decides what to do with a message, or knows a bus. Names of headers are written in one spelling and read
//! in any case (DESIGN: foreign peers write `content-type` and `Content-Type`).

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;

mod headers;
mod reply;

pub use headers::{HeaderError, Headers};
pub use reply::{NotStarted, Reply, Success};

/// Media type of the payload; absent when it is JSON.
pub const CONTENT_TYPE: &str = "Content-Type";
/// Milliseconds the caller will still wait, when that is less than the task's own timeout.
pub const TIMEOUT_MS: &str = "Metropolis-Timeout-Ms";
/// `busy` or `expired`: the reply of a request that ran nothing, so that it may be sent again.
pub const NOT_STARTED: &str = "Metropolis-Not-Started";
/// Milliseconds after which a busy worker may be asked again.
pub const RETRY_AFTER_MS: &str = "Metropolis-Retry-After-Ms";
/// How many requests of the task a busy worker takes at a time, those that wait included.
pub const PLACES: &str = "Metropolis-Places";
/// The worker that wrote a fault.
pub const INSTANCE: &str = "Metropolis-Instance";
/// How many parts a contract is served in; on every one of them.
pub const PARTS: &str = "Metropolis-Parts";
/// HTTP status of a fault, as NATS micro has it (ADR-32).
pub const ERROR_CODE: &str = "Nats-Service-Error-Code";
/// One printable line that describes a fault (ADR-32).
pub const ERROR: &str = "Nats-Service-Error";
/// Media type of a fault's body (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Media type of everything that has no `Content-Type`.
pub const JSON: &str = "application/json";

/// What a task's input is read from.
#[derive(Debug)]
pub struct Envelope {
    /// Values of the subject's parameters, decoded.
    pub parameters: Vec<(String, String)>,
    /// The media type of the payload; `None` when it is JSON.
    pub media_type: Option<String>,
    /// The input's document, or raw bytes.
    pub payload: Bytes,
}

/// How long the caller of a request waits, if it said so; a text that is no number counts as silence.
#[must_use]
pub fn timeout(headers: &Headers) -> Option<Duration> {
    let text = headers.get(TIMEOUT_MS)?;
    text.parse().ok().map(Duration::from_millis)
}

/// Cuts a text down to one line of printable text, for a header: controls become spaces, 512 bytes at most.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    const LINE_MAX: usize = 512;
    let clean = |c: char| c == ' ' || c.is_ascii_graphic();
    if text.len() <= LINE_MAX && text.chars().all(clean) {
        return Cow::Borrowed(text);
    }
    let line: String = text
        .chars()
        .map(|c| match c {
            c if clean(c) => c,
            c if c.is_control() || c.is_whitespace() => ' ',
            _ => '?',
        })
        .take(LINE_MAX)
        .collect();
    Cow::Owned(line.trim().to_owned())
}

#[cfg(test)]
mod tests;
