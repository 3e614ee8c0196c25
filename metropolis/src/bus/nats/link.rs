//! Link: one connection to one server, from the handshake to its end.
//!
//! Two tasks belong to it: one reads and hands out what came, one writes what could not leave at once. A third asks the
//! server every so often whether it is there ([`silence`]). When any of them ends, the link has ended, and the connection hears of it.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::address::Address;
use super::dial::Dialled;
use super::outbox::{Closed, Cork, Outbox};
use super::protocol::{self, Operation, ServerInfo};
use super::receive::Batch;
use super::supervisor::Trouble;
use super::{Connection, lock, silence};
use crate::bus::{Outgoing, RequestError};
use crate::subject::Queue;

/// What is read at once. Messages are slices of it, so it is also what one of them that is kept alive can hold.
const PIECE: usize = 64 * 1024;

/// Round trips that may be under way; whoever wants one more waits for the deadline in vain.
const PINGS_MAX: usize = 65_536;

/// One connection to one server.
#[derive(Debug)]
pub(super) struct Link {
    outbox: Arc<Outbox>,
    payload_max: AtomicUsize,
    has_jetstream: AtomicBool,
    /// Servers this one has told of.
    heard_of: Mutex<Vec<Address>>,
    /// Who waits for the next `PONG`, in the order of their `PING`s.
    pings: Mutex<VecDeque<oneshot::Sender<()>>>,
    /// Pieces read.
    pieces: AtomicU64,
    /// Whether messages are being handed out; while a taker holds that up, nothing is read.
    handing_out: AtomicBool,
    over: AtomicBool,
    tasks: Mutex<JoinSet<()>>,
}

impl Link {
    /// Begins to read and to write. The connection is told of everything that comes, and of the end.
    pub(super) fn start(dialled: Dialled, connection: &Arc<Connection>) -> Arc<Self> {
        let link = Arc::new(Self {
            outbox: Arc::new(Outbox::new(dialled.writer)),
            payload_max: AtomicUsize::new(0),
            has_jetstream: AtomicBool::new(false),
            heard_of: Mutex::default(),
            pings: Mutex::default(),
            pieces: AtomicU64::new(0),
            handing_out: AtomicBool::new(false),
            over: AtomicBool::new(false),
            tasks: Mutex::new(JoinSet::new()),
        });
        link.learn(&dialled.server);
        let ends = Ends {
            link: Arc::downgrade(&link),
            connection: Arc::downgrade(connection),
        };
        let mut tasks = lock(&link.tasks);
        tasks.spawn(read(dialled.reader, dialled.buffer, ends.clone()));
        tasks.spawn(write(Arc::clone(&link.outbox), ends.clone()));
        tasks.spawn(silence::listen(ends, Arc::clone(&connection.family)));
        drop(tasks);
        link
    }

    pub(super) fn payload_max(&self) -> usize {
        self.payload_max.load(Ordering::Relaxed)
    }

    pub(super) fn has_jetstream(&self) -> bool {
        self.has_jetstream.load(Ordering::Relaxed)
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Servers this one has told of.
    pub(super) fn heard_of(&self) -> Vec<Address> {
        lock(&self.heard_of).clone()
    }

    /// Sends a message. Never waits; see [`Outbox::push_within`].
    pub(super) fn publish_within(
        &self,
        leeway: Duration,
        outgoing: &Outgoing,
    ) -> Result<(), Closed> {
        self.outbox
            .push_within(leeway, |buffer| protocol::write_publish(buffer, outgoing))
    }

    /// Whether so much waits for the socket that whoever sends should wait as well.
    pub(super) fn is_full(&self) -> bool {
        self.outbox.is_full()
    }

    /// Counts that only grow: pieces read, and bytes that the socket took.
    pub(super) fn activity(&self) -> (u64, u64) {
        (self.pieces.load(Ordering::Relaxed), self.outbox.taken())
    }

    /// Whether messages are being handed out, and nothing is read meanwhile.
    pub(super) fn is_handing_out(&self) -> bool {
        self.handing_out.load(Ordering::Relaxed)
    }

    /// Waits for that to be over.
    pub(super) async fn room(&self) {
        self.outbox.room().await;
    }

    /// Begins a batch on this thread; see [`Outbox::cork`].
    pub(super) fn cork(&self) -> Cork<'_> {
        self.outbox.cork()
    }

    pub(super) fn subscribe(
        &self,
        filter: &str,
        queue: Option<&Queue>,
        sid: u64,
    ) -> Result<(), Closed> {
        self.outbox
            .push(|buffer| protocol::write_subscribe(buffer, filter, queue, sid))
    }

    /// Messages that are under way come still, until the answer to a later [`ping`](Self::ping).
    pub(super) fn unsubscribe(&self, sid: u64) -> Result<(), Closed> {
        self.outbox
            .push(|buffer| protocol::write_unsubscribe(buffer, sid))
    }

    /// Waits until the server has processed everything sent before, and everything it sent before that was handed out.
    ///
    /// # Errors
    /// When the link has ended, or the deadline strikes.
    pub(super) async fn ping(&self, deadline: Instant) -> Result<(), RequestError> {
        let answered = self.send_ping().ok_or(RequestError::NotConnected)?;
        match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(RequestError::ConnectionLost),
            Err(_) => Err(RequestError::TimedOut),
        }
    }

    /// Asks the server to answer; whoever waits for that is told.
    pub(super) fn send_ping(&self) -> Option<oneshot::Receiver<()>> {
        let (answer, answered) = oneshot::channel();
        let mut pings = lock(&self.pings);
        // Under the lock, so that the order of those who wait is the order on the wire.
        if pings.len() >= PINGS_MAX || self.is_over() {
            return None;
        }
        self.outbox
            .push(|buffer| buffer.extend_from_slice(protocol::PING))
            .ok()?;
        pings.push_back(answer);
        Some(answered)
    }

    /// Ends the link at once; what has not left is lost.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.outbox.close();
        lock(&self.pings).clear();
        lock(&self.tasks).abort_all();
    }

    /// Takes note of what the server says about itself.
    fn learn(&self, server: &ServerInfo) {
        self.payload_max
            .store(server.max_payload, Ordering::Relaxed);
        self.has_jetstream
            .store(server.jetstream, Ordering::Relaxed);
        let servers = server.connect_urls.iter().flat_map(|url| url.parse());
        *lock(&self.heard_of) = servers.collect();
    }

    /// Hands out everything that is whole. What is sent meanwhile leaves at the end, in one piece.
    fn hand_out(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        buffer: &mut BytesMut,
    ) -> io::Result<()> {
        self.pieces.fetch_add(1, Ordering::Relaxed);
        let _cork = self.cork();
        self.handing_out.store(true, Ordering::Relaxed);
        let handed_out = self.hand_out_all(connection, buffer);
        self.handing_out.store(false, Ordering::Relaxed);
        handed_out
    }

    fn hand_out_all(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        buffer: &mut BytesMut,
    ) -> io::Result<()> {
        // What was read at once has arrived at once.
        let mut batch = Batch::new(connection);
        while let Some(operation) = protocol::take(buffer).map_err(io::Error::other)? {
            match operation {
                Operation::Message(frame) => batch.receive(frame),
                Operation::Pong => self.answer_ping(),
                Operation::Ping => self.answer(protocol::PONG),
                Operation::Info(server) => {
                    self.learn(&server);
                    if server.lame_duck_mode {
                        connection.tell(Trouble::LameDuck(Arc::downgrade(self)));
                    }
                }
                Operation::Error(text) => connection.hear(&text),
            }
        }
        Ok(())
    }

    fn answer_ping(&self) {
        let waiting = lock(&self.pings).pop_front();
        if let Some(waiting) = waiting {
            // Whoever waited may have gone.
            let _ = waiting.send(());
        }
    }

    fn answer(&self, bytes: &'static [u8]) {
        // An error means that the link has ended, which the reader is about to see.
        let _ = self.outbox.push(|buffer| buffer.extend_from_slice(bytes));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the tasks of a link know of it: not enough to keep it alive.
#[derive(Clone)]
pub(super) struct Ends {
    link: Weak<Link>,
    connection: Weak<Connection>,
}

impl Ends {
    pub(super) fn both(&self) -> Option<(Arc<Link>, Arc<Connection>)> {
        Some((self.link.upgrade()?, self.connection.upgrade()?))
    }

    /// Tells the connection that its link is of no more use.
    pub(super) fn give_up(&self, why: String) {
        if let Some((link, connection)) = self.both() {
            // First, so that nobody sends over it while the connection looks for another.
            link.over.store(true, Ordering::Release);
            connection.tell(Trouble::Lost(Arc::downgrade(&link), why));
        }
    }
}

/// Reads as long as there is a link to read for.
async fn read(mut reader: Box<dyn AsyncRead + Send + Unpin>, buffer: BytesMut, ends: Ends) {
    let why = match read_on(&mut reader, buffer, &ends).await {
        Ok(()) => "the server closed the connection".to_owned(),
        Err(error) => error.to_string(),
    };
    ends.give_up(why);
}

async fn read_on(
    reader: &mut (dyn AsyncRead + Send + Unpin),
    mut buffer: BytesMut,
    ends: &Ends,
) -> io::Result<()> {
    loop {
        let Some((link, connection)) = ends.both() else {
            return Ok(());
        };
        link.hand_out(&connection, &mut buffer)?;
        drop(connection);
        if link.is_full() {
            // Whoever is asked too much reads no more, until what it answered has left.
            link.room().await;
        }
        drop(link);
        if buffer.capacity() - buffer.len() < PIECE / 4 {
            buffer.reserve(PIECE);
        }
        if reader.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

async fn write(outbox: Arc<Outbox>, ends: Ends) {
    if let Err(error) = outbox.write_all().await {
        ends.give_up(error.to_string());
    }
}
