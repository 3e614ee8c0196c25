//! The header block of a message, read and written.

use memchr::{memchr, memchr_iter};

use crate::wire::Headers;

const VERSION: &[u8] = b"NATS/1.0";
const END: &[u8] = b"\r\n";

/// What a header block says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::bus::nats) struct Block {
    /// The number after the version: the server's own word, no peer's.
    pub(in crate::bus::nats) status: Option<u16>,
    pub(in crate::bus::nats) headers: Headers,
    /// Lines that are no header, or a version that is none.
    pub(in crate::bus::nats) malformed: u64,
}

/// Reads a header block. Never fails: a line that is no header is left out and counted.
pub(in crate::bus::nats) fn read(block: &[u8]) -> Block {
    match plain(block) {
        Some(headers) => Block {
            headers,
            ..Block::default()
        },
        None => read_lines(block),
    }
}

/// The headers of a block such as we write it, which nearly all are: copied in one piece, and not line by line.
pub(super) fn plain(block: &[u8]) -> Option<Headers> {
    let lines = block.strip_prefix(VERSION)?.strip_prefix(END)?;
    let lines = std::str::from_utf8(lines.strip_suffix(END)?).ok()?;
    Headers::of_lines(lines)
}

/// The headers of any block, line by line.
pub(super) fn read_lines(block: &[u8]) -> Block {
    let mut read = Block::default();
    let mut lines = lines(block);
    let first = lines.next().unwrap_or_default();
    match first.strip_prefix(VERSION) {
        Some(rest) => read.status = status(rest),
        None => read.malformed += 1,
    }
    for line in lines.filter(|line| !line.is_empty()) {
        if append(&mut read.headers, line).is_none() {
            read.malformed += 1;
        }
    }
    read
}

/// Writes a header block, or nothing where there are no headers.
pub(super) fn write(buffer: &mut Vec<u8>, headers: &Headers) {
    if headers.is_empty() {
        return;
    }
    buffer.extend_from_slice(VERSION);
    buffer.extend_from_slice(END);
    buffer.extend_from_slice(headers.as_lines().as_bytes());
    buffer.extend_from_slice(END);
}

/// Lines end at CR LF alone: a lone CR or LF is part of a value, which then is none.
fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(block);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = line_end(text);
        rest = end.map(|end| &text[end + 2..]);
        Some(&text[..end.unwrap_or(text.len())])
    })
}

fn line_end(text: &[u8]) -> Option<usize> {
    memchr_iter(b'\r', text).find(|at| text.get(at + 1) == Some(&b'\n'))
}

fn append(headers: &mut Headers, line: &[u8]) -> Option<()> {
    let line = std::str::from_utf8(line).ok()?;
    let (name, value) = line.split_at(memchr(b':', line.as_bytes())?);
    // One blank is how everybody writes it; left in place, blanks would be looked for at both ends.
    let value = value.strip_prefix(": ").unwrap_or(&value[1..]);
    headers.append(name, value).ok()
}

fn status(rest: &[u8]) -> Option<u16> {
    let digits = rest.strip_prefix(b" ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
