//! The client protocol of NATS: bytes to operations and back. No sockets, and nothing that arrives is trusted.
//!
//! Source: <https://docs.nats.io/reference/reference-protocols/nats-protocol>. What breaks the grammar so that the end
//! of the message is unknown ends the connection; what breaks it inside a message costs that message or that header.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use serde::{Deserialize, Serialize};

use crate::bus::Outgoing;
use crate::subject::Queue;

pub(super) mod headers;

/// The longest line a server may send; `INFO` names every server of a cluster.
const LINE_MAX: usize = 256 * 1024;

/// The largest message a server may send, headers included; far above what any server can be configured to take.
const MESSAGE_MAX: usize = 256 * 1024 * 1024;

/// What a server says.
#[derive(Debug)]
pub(super) enum Operation {
    Info(Box<ServerInfo>),
    Message(Frame),
    Ping,
    Pong,
    /// The server's complaint, without its quotes.
    Error(String),
}

/// Bytes after which nothing can be understood any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProtocolError {
    #[error("the server sent a line that is no operation")]
    Operation,
    #[error("the server sent a line without end")]
    Line,
    #[error("the server sent a message that is larger than any may be")]
    Size,
}

/// What a server says about itself. Unknown members are ignored, missing ones are empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ServerInfo {
    pub(super) version: String,
    pub(super) max_payload: usize,
    /// Whether it has a part in JetStream itself, and not only leads to a server that has.
    pub(super) jetstream: bool,
    pub(super) nonce: String,
    pub(super) connect_urls: Vec<String>,
    pub(super) tls_required: bool,
    pub(super) tls_available: bool,
    #[serde(rename = "ldm")]
    pub(super) lame_duck_mode: bool,
}

/// What a client says about itself.
#[derive(Serialize)]
pub(super) struct ConnectInfo<'c> {
    pub(super) verbose: bool,
    pub(super) pedantic: bool,
    pub(super) echo: bool,
    pub(super) headers: bool,
    pub(super) no_responders: bool,
    pub(super) protocol: u8,
    pub(super) tls_required: bool,
    pub(super) lang: &'static str,
    pub(super) version: &'static str,
    pub(super) name: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pass: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auth_token: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jwt: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sig: Option<String>,
}

/// One message as it lies in the buffer it was read into; its parts are looked at before any is taken out.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) sid: u64,
    bytes: Bytes,
    subject: Span,
    reply: Option<Span>,
    /// Length of the header block, in front of the payload.
    header_len: usize,
    payload_at: usize,
    payload_len: usize,
}

/// Where a part lies in its frame.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

impl Frame {
    pub(super) fn subject(&self) -> &[u8] {
        &self.bytes[self.subject.start..self.subject.end]
    }

    /// The subject as a part of the buffer.
    pub(super) fn shared_subject(&self) -> Bytes {
        self.bytes.slice(self.subject.start..self.subject.end)
    }

    /// The reply subject as a part of the buffer.
    pub(super) fn shared_reply(&self) -> Option<Bytes> {
        self.reply
            .map(|span| self.bytes.slice(span.start..span.end))
    }

    /// The header block, or nothing.
    pub(super) fn headers(&self) -> &[u8] {
        &self.bytes[self.payload_at - self.header_len..self.payload_at]
    }

    /// Whether there is no payload.
    pub(super) fn is_empty(&self) -> bool {
        self.payload_len == 0
    }

    /// The payload as a part of the buffer.
    pub(super) fn into_payload(mut self) -> Bytes {
        self.bytes.advance(self.payload_at);
        self.bytes.truncate(self.payload_len);
        self.bytes
    }
}

/// Takes the next operation out of what was read; `None` as long as its end is not there.
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Operation>, ProtocolError> {
    while let Some(end) = memchr(b'\n', buffer) {
        let line = buffer[..end].strip_suffix(b"\r").unwrap_or(&buffer[..end]);
        let (verb, rest) = split_verb(line);
        let operation = match verb {
            b"MSG" => return take_message(buffer, end + 1, false),
            b"HMSG" => return take_message(buffer, end + 1, true),
            _ => short(verb, rest)?,
        };
        buffer.advance(end + 1);
        if operation.is_some() {
            return Ok(operation);
        }
    }
    if buffer.len() > LINE_MAX {
        return Err(ProtocolError::Line);
    }
    Ok(None)
}

/// An operation without payload; `None` for `+OK`, which says nothing.
fn short(verb: &[u8], rest: &[u8]) -> Result<Option<Operation>, ProtocolError> {
    Ok(Some(match verb {
        b"PING" => Operation::Ping,
        b"PONG" => Operation::Pong,
        b"+OK" => return Ok(None),
        b"-ERR" => {
            let text = String::from_utf8_lossy(rest);
            Operation::Error(text.trim().trim_matches('\'').to_owned())
        }
        b"INFO" => Operation::Info(Box::new(
            serde_json::from_slice(rest).map_err(|_| ProtocolError::Operation)?,
        )),
        _ => return Err(ProtocolError::Operation),
    }))
}

fn split_verb(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t'))
        .unwrap_or(line.len());
    (&line[..end], &line[end..])
}

/// `MSG <subject> <sid> [reply] <bytes>` and `HMSG <subject> <sid> [reply] <header bytes> <all bytes>`.
fn take_message(
    buffer: &mut BytesMut,
    line_len: usize,
    has_headers: bool,
) -> Result<Option<Operation>, ProtocolError> {
    const FIELDS_MAX: usize = 5;
    let mut fields = [Span { start: 0, end: 0 }; FIELDS_MAX];
    let count = fields_of(&buffer[..line_len], &mut fields)?;
    // The verb was the first; the lengths are the last one or two.
    let lengths = if has_headers { 2 } else { 1 };
    let reply = match count.checked_sub(2 + lengths) {
        Some(0) => None,
        Some(1) => Some(fields[2]),
        _ => return Err(ProtocolError::Operation),
    };
    let number = |span: Span| number(&buffer[span.start..span.end]);
    let total = number(fields[count - 1])?;
    let header_len = if has_headers {
        number(fields[count - 2])?
    } else {
        0
    };
    if total > MESSAGE_MAX as u64 || header_len > total {
        return Err(ProtocolError::Size);
    }
    let sid = number(fields[1])?;
    let (total, header_len) = (total as usize, header_len as usize);
    let end = line_len + total + 2;
    if buffer.len() < end {
        buffer.reserve(end - buffer.len());
        return Ok(None);
    }
    if buffer[line_len + total..end] != *b"\r\n" {
        return Err(ProtocolError::Operation);
    }
    Ok(Some(Operation::Message(Frame {
        sid,
        subject: fields[0],
        reply,
        header_len,
        payload_at: line_len + header_len,
        payload_len: total - header_len,
        bytes: buffer.split_to(end).freeze(),
    })))
}

/// Finds what stands between the blanks of a line, its verb left out.
fn fields_of(line: &[u8], fields: &mut [Span]) -> Result<usize, ProtocolError> {
    let is_blank = |byte: u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let mut count = 0;
    let mut at = split_verb(line).0.len();
    while at < line.len() {
        if is_blank(line[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < line.len() && !is_blank(line[at]) {
            at += 1;
        }
        *fields.get_mut(count).ok_or(ProtocolError::Operation)? = Span { start, end: at };
        count += 1;
    }
    Ok(count)
}

fn number(digits: &[u8]) -> Result<u64, ProtocolError> {
    const DIGITS_MAX: usize = 18;
    if digits.is_empty() || digits.len() > DIGITS_MAX {
        return Err(ProtocolError::Operation);
    }
    digits.iter().try_fold(0, |value: u64, digit| match digit {
        b'0'..=b'9' => Ok(value * 10 + u64::from(digit - b'0')),
        _ => Err(ProtocolError::Operation),
    })
}

pub(super) const PING: &[u8] = b"PING\r\n";
pub(super) const PONG: &[u8] = b"PONG\r\n";

/// Writes a message: `PUB`, or `HPUB` where there are headers.
pub(super) fn write_publish(buffer: &mut Vec<u8>, outgoing: &Outgoing) {
    let header_len = outgoing.headers.wire_len();
    buffer.reserve(MESSAGE_ROOM + header_len + outgoing.payload.len());
    buffer.extend_from_slice(if header_len == 0 { b"PUB " } else { b"HPUB " });
    buffer.extend_from_slice(outgoing.subject.as_bytes());
    buffer.push(b' ');
    if let Some(reply) = &outgoing.reply {
        buffer.extend_from_slice(reply.as_bytes());
        buffer.push(b' ');
    }
    let mut digits = itoa::Buffer::new();
    if header_len > 0 {
        buffer.extend_from_slice(digits.format(header_len).as_bytes());
        buffer.push(b' ');
    }
    let total = header_len + outgoing.payload.len();
    buffer.extend_from_slice(digits.format(total).as_bytes());
    buffer.extend_from_slice(b"\r\n");
    headers::write(buffer, &outgoing.headers);
    buffer.extend_from_slice(&outgoing.payload);
    buffer.extend_from_slice(b"\r\n");
}

/// What a publish has beside payload and headers, usually.
const MESSAGE_ROOM: usize = 160;

/// Writes a subscription.
pub(super) fn write_subscribe(buffer: &mut Vec<u8>, filter: &str, queue: Option<&Queue>, sid: u64) {
    let queue = queue.map_or("", Queue::as_str);
    buffer.extend_from_slice(format!("SUB {filter} {queue} {sid}\r\n").as_bytes());
}

/// Writes the end of a subscription.
pub(super) fn write_unsubscribe(buffer: &mut Vec<u8>, sid: u64) {
    buffer.extend_from_slice(format!("UNSUB {sid}\r\n").as_bytes());
}

#[cfg(test)]
mod tests;
