//! A connection's stream that keeps the head of the request being read.
//!
//! A request with both `Transfer-Encoding` and `Content-Length`, or with two of the latter, is how requests are smuggled,
//! and has to be refused (RFC 9112 §6.1, §6.3). hyper 1.12 goes by the coding or by the first of equal lengths and takes
//! the other lengths out of the headers; that is safe, but whoever gets the request cannot see them any more. So the
//! bytes are kept until the request has been looked at. Of requests that a client pipelines, only the first one's head
//! is found; the others are left to hyper.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use memchr::memchr_iter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::http1::BUFFER_MAX;
use super::patience::Activity;

/// An answer up to this size leaves as one piece.
const GATHERED_MAX: usize = 512;

/// Room for a head that is not given back after each: most heads fit.
const ROOM_KEPT: usize = 1024;

/// What was read since the last answer, until the request is looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Head(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    /// The rest is a body; it is not kept.
    is_done: bool,
}

impl Head {
    /// How many times the request that was read had a `Content-Length`. Asked once for each request.
    pub(super) fn lengths(&self) -> usize {
        let mut kept = self.kept();
        kept.is_done = true;
        lines(&kept.bytes).filter(|line| is_length(line)).count()
    }

    /// Whether nothing was read of the next request.
    pub(super) fn is_empty(&self) -> bool {
        self.kept().bytes.is_empty()
    }

    fn keep(&self, read: &[u8]) {
        let mut kept = self.kept();
        if !kept.is_done {
            let room = BUFFER_MAX - kept.bytes.len();
            kept.bytes.extend_from_slice(&read[..read.len().min(room)]);
        }
    }

    /// An answer is written: what is read next is another request.
    fn begin(&self) {
        let mut kept = self.kept();
        kept.bytes.clear();
        kept.bytes.shrink_to(ROOM_KEPT);
        kept.is_done = false;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Several pieces as one, where they are small: the system takes one faster than it takes a list, by more than the copy
/// costs.
fn gathered<'p>(pieces: &[io::IoSlice<'_>], room: &'p mut [u8; GATHERED_MAX]) -> Option<&'p [u8]> {
    let mut length = 0;
    for piece in pieces {
        let end = length + piece.len();
        room.get_mut(length..end)?.copy_from_slice(piece);
        length = end;
    }
    Some(&room[..length])
}

/// The lines of the first head.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    let ends = memchr_iter(b'\n', bytes).chain([bytes.len()]);
    let lines =
        ends.map(move |end| bytes[std::mem::replace(&mut start, end + 1)..end].trim_ascii());
    // A client may send empty lines before its request.
    lines
        .skip_while(|line| line.is_empty())
        .take_while(|line| !line.is_empty())
}

fn is_length(line: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length:";
    line.len() >= NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME)
}

/// The stream itself.
#[derive(Debug)]
pub(super) struct Stream {
    inner: TcpStream,
    /// What was read before, elsewhere.
    unread: Bytes,
    head: Head,
    activity: Activity,
}

impl Stream {
    pub(super) fn new(inner: TcpStream, unread: Bytes, activity: Activity) -> (Self, Head) {
        let head = Head::default();
        let stream = Self {
            inner,
            unread,
            head: head.clone(),
            activity,
        };
        (stream, head)
    }

    /// The stream without its reader, who has taken some bytes and not used them.
    pub(super) fn with_unused(self, unused: Bytes) -> Self {
        // Nothing of something still holds all of its memory.
        let unread = match unused.is_empty() {
            true => self.unread,
            false => [unused, self.unread].concat().into(),
        };
        Self { unread, ..self }
    }

    /// The connection, and what was read of it before, which comes first.
    pub(super) fn into_parts(self) -> (TcpStream, Bytes) {
        (self.inner, self.unread)
    }

    /// Waits until there is something to read, be it the end.
    pub(super) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        match self.unread.is_empty() {
            true => self.inner.poll_read_ready(context).map(drop),
            false => Poll::Ready(()),
        }
    }

    /// An answer, or a part of it, was offered to the system.
    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        self.head.begin();
        self.activity.wrote(polled.is_ready());
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = match self.unread.is_empty() {
            true => Pin::new(&mut self.inner).poll_read(cx, buf),
            false => {
                let some = self.unread.len().min(buf.remaining());
                buf.put_slice(&self.unread.split_to(some));
                Poll::Ready(Ok(()))
            }
        };
        let read = &buf.filled()[before..];
        if !read.is_empty() {
            self.head.keep(read);
        }
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wrote(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = match gathered(bufs, &mut [0; GATHERED_MAX]) {
            Some(piece) => Pin::new(&mut self.inner).poll_write(cx, piece),
            None => Pin::new(&mut self.inner).poll_write_vectored(cx, bufs),
        };
        self.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(read: &str, expected: usize) {
        let head = Head::default();
        head.keep(read.as_bytes());
        assert_eq!(head.lengths(), expected, "{read:?}");
    }

    #[test]
    fn only_the_head_is_searched() {
        check("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd", 1);
        check(
            "\r\nPOST / HTTP/1.1\r\ncontent-LENGTH:4\r\nTransfer-Encoding: chunked\r\n\r\n",
            1,
        );
        check("POST / HTTP/1.1\nHost: a\nContent-Length: 4\n\n", 1);
        check(
            "POST / HTTP/1.1\r\ncontent-length: 4\r\nContent-Length: 4\r\n\r\n",
            2,
        );
        check(
            "POST / HTTP/1.1\r\nX-Content-Length: 4\r\n\r\n\r\nContent-Length: 4",
            0,
        );
        check("", 0);
    }

    #[test]
    fn a_body_is_not_kept_and_the_next_head_is() {
        let head = Head::default();
        head.lengths();
        head.keep(b"content-length: 4\r\n");
        assert_eq!(head.lengths(), 0);
        head.begin();
        head.keep(b"content-length: 4\r\n");
        assert_eq!(head.lengths(), 1);
    }
}
