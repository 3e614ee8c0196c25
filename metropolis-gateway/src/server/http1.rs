//! HTTP/1.1 on one connection, which hyper speaks. In a crowd its part is there only while there is something to be said.
//!
//! That part takes some 20 kB, and of many connections most have nothing to say most of the time. One that rests takes a
//! tenth of that; and when its client asks again, hyper's part is made where the last one was, in memory that is still in the
//! processor's caches. Among few connections it stays, because to make it takes a twentieth of what a request does.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::stream::Stream;
use super::turnstile::Entry;

/// Bytes hyper reads ahead; a head that does not fit is answered with a bare 431.
pub(super) const BUFFER_MAX: usize = 64 * 1024;

/// What answers requests.
pub(super) trait Answers:
    Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible> + Copy + Unpin
{
}

impl<S> Answers for S where
    S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible>
        + Copy
        + Unpin
{
}

type Connection<S> = http1::Connection<TokioIo<Stream>, S>;

/// Answers what comes on a stream, until its end.
pub(super) struct Http1<S: Answers, C, I> {
    service: S,
    /// Whether it is one of very many.
    is_crowd: C,
    /// Whether nothing is under way, asked when there is nothing more to read or to write for now.
    is_idle: I,
    /// In a crowd, what it waits for before it reads a request.
    entry: Entry,
    /// The stream, while it has nobody but us; otherwise hyper has it.
    resting: Option<Stream>,
    serving: Option<Box<Connection<S>>>,
}

impl<S: Answers, C: Fn() -> bool, I: Fn() -> bool> Http1<S, C, I> {
    pub(super) fn new(stream: Stream, service: S, is_crowd: C, is_idle: I, entry: Entry) -> Self {
        Self {
            service,
            is_crowd,
            is_idle,
            entry,
            resting: Some(stream),
            serving: None,
        }
    }

    /// Lets it in from now on, whoever else waits.
    pub(super) fn let_in(&mut self) {
        self.entry = Entry::at(None);
    }

    /// Answers no more than the request that is under way.
    pub(super) fn graceful_shutdown(&mut self) {
        self.serve();
        if let Some(connection) = &mut self.serving {
            Pin::new(&mut **connection).graceful_shutdown();
        }
    }

    /// The connection, and what was read of it and is no request yet. To be asked for when no request is under way.
    pub(super) fn into_parts(mut self) -> Option<(TcpStream, Bytes)> {
        self.rest();
        self.resting.map(Stream::into_parts)
    }

    fn serve(&mut self) {
        if let Some(stream) = self.resting.take() {
            let connection = builder().serve_connection(TokioIo::new(stream), self.service);
            self.serving = Some(Box::new(connection));
        }
    }

    fn rest(&mut self) {
        self.entry.leave();
        if let Some(connection) = self.serving.take() {
            let parts = connection.into_parts();
            let stream = parts.io.into_inner();
            self.resting = Some(stream.with_unused(parts.read_buf));
        }
    }
}

impl<S: Answers, C: Fn() -> bool + Unpin, I: Fn() -> bool + Unpin> Future for Http1<S, C, I> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(stream) = &self.resting {
            ready!(stream.poll_readable(context));
            if (self.is_crowd)() {
                ready!(self.entry.poll_enter(context));
            }
            self.serve();
        }
        // An error is its client's affair.
        if let Some(connection) = &mut self.serving
            && Pin::new(&mut **connection).poll(context).is_ready()
        {
            return Poll::Ready(());
        }
        match (self.is_crowd)() {
            true if (self.is_idle)() => self.rest(),
            true => {}
            false => self.entry.leave(),
        }
        // What is there already waits for the next turn, so that other connections have theirs.
        if let Some(stream) = &self.resting
            && stream.poll_readable(context).is_ready()
        {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Its own timer for heads is not wanted: see patience.
    builder.header_read_timeout(None).max_buf_size(BUFFER_MAX);
    builder
}

#[cfg(test)]
mod tests;
