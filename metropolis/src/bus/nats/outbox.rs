//! What is to be sent over one connection: everybody writes into one buffer, and it leaves in as few pieces as possible.
//!
//! Whoever sends does not wait for the socket, and wakes the writing task at most once for all that is sent until it
//! comes to write. Whoever reads a batch of messages [corks](Outbox::cork) the buffer meanwhile: the answers of the
//! whole batch leave in one piece, written by the reader itself, without waking anybody. What [may](Outbox::push_within)
//! waits for others to leave with: each piece wakes the server, which takes more of a core than many messages do.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, TryLockError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use tokio::io::AsyncWrite;
use tokio::sync::Notify;
use tokio::time::sleep_until;

use super::lock;

/// Bytes that may wait for the socket before whoever sends has to wait as well.
const WAITING_MAX: usize = 8 * 1024 * 1024;

/// What a buffer grew past this in a burst is given back, once less than this is sent: where large pieces go on, each would
/// ask the system for its memory again.
const KEPT_MAX: usize = 256 * 1024;

type Writer = Box<dyn AsyncWrite + Send + Unpin>;

thread_local! {
    /// The outbox whose batch this thread is in, by its address.
    static CORKED: Cell<usize> = const { Cell::new(0) };
}

/// The sending half of a connection.
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    writing: Mutex<Writing>,
    /// The task that writes.
    task: AtomicWaker,
    /// Told when there is room again.
    room: Notify,
    /// Bytes the socket took.
    taken: AtomicU64,
    closed: AtomicBool,
}

/// What was sent and is not being written yet.
#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// When it leaves at the latest, if the writing task was woken for it.
    due: Option<Due>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    AtOnce,
    By(Instant),
}

/// The socket, and the piece it is given.
struct Writing {
    writer: Writer,
    piece: Vec<u8>,
    written: usize,
    /// Whether something was written that the socket may still hold, as TLS does.
    unflushed: bool,
}

/// The connection is closed: nothing leaves any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

impl Outbox {
    pub(super) fn new(writer: Writer) -> Self {
        Self {
            waiting: Mutex::default(),
            writing: Mutex::new(Writing {
                writer,
                piece: Vec::new(),
                written: 0,
                unflushed: false,
            }),
            task: AtomicWaker::new(),
            room: Notify::new(),
            taken: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Adds what `write` writes. Never waits; whoever could send without end asks for [`room`](Self::room) first.
    pub(super) fn push(&self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Closed> {
        self.push_within(Duration::ZERO, write)
    }

    /// The same for what may wait for so long. It leaves with whatever leaves before.
    pub(super) fn push_within(
        &self,
        leeway: Duration,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Closed> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Closed);
        }
        let mut waiting = lock(&self.waiting);
        write(&mut waiting.bytes);
        let todo = match self.is_corked_here() {
            true => Todo::Nothing,
            false => waiting.announce(leeway),
        };
        drop(waiting);
        match todo {
            Todo::Nothing => {}
            Todo::Wake => self.task.wake(),
            // The writing task has an alarm for this, but not its turn yet.
            Todo::Write => self.flush(),
        }
        Ok(())
    }

    /// Whether as much waits as may.
    pub(super) fn is_full(&self) -> bool {
        lock(&self.waiting).bytes.len() >= WAITING_MAX
    }

    /// Bytes the socket took so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Waits until less waits than may, or the connection is closed.
    pub(super) async fn room(&self) {
        loop {
            let changed = self.room.notified();
            if !self.is_full() || self.closed.load(Ordering::Acquire) {
                return;
            }
            changed.await;
        }
    }

    /// Begins a batch on this thread, during which nothing must wait; its end writes what was sent in it.
    pub(super) fn cork(&self) -> Cork<'_> {
        Cork {
            outbox: self,
            before: CORKED.replace(self.address()),
        }
    }

    /// Writes for as long as the connection lives.
    ///
    /// # Errors
    /// When the socket fails.
    pub(super) async fn write_all(&self) -> io::Result<()> {
        let mut alarm = pin!(sleep_until(Instant::now().into()));
        poll_fn(|context| {
            self.task.register(context.waker());
            // A thread that flushes its batch right now wakes this task if it leaves anything.
            match self.writing.try_lock() {
                Ok(mut writing) => {
                    if let Some(due) = self.due().filter(|_| writing.is_done()) {
                        alarm.as_mut().reset(due.into());
                        ready!(alarm.as_mut().poll(context));
                    }
                    ready!(self.poll_write(&mut writing, context))?;
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Poisoned(_)) => {
                    return Poll::Ready(Err(io::ErrorKind::Other.into()));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Takes no more, and wakes whoever waits for room.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.room.notify_waiters();
    }

    /// Writes what waits, as far as the socket takes it without waiting; the rest is the writing task's.
    fn flush(&self) {
        let is_done = match self.writing.try_lock() {
            Ok(mut writing) => {
                let mut nobody = Context::from_waker(Waker::noop());
                self.poll_write(&mut writing, &mut nobody).is_ready()
            }
            Err(_) => false,
        };
        if !is_done || !self.is_empty() {
            self.task.wake();
        }
    }

    fn is_empty(&self) -> bool {
        lock(&self.waiting).bytes.is_empty()
    }

    /// Until when everything may wait.
    fn due(&self) -> Option<Instant> {
        match lock(&self.waiting).due? {
            Due::AtOnce => None,
            Due::By(due) => Some(due),
        }
    }

    /// Ready once nothing waits any more. An error is left to the writing task, which meets it again.
    fn poll_write(&self, writing: &mut Writing, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !writing.is_done() || self.refill(writing) {
            let n = ready!(
                Pin::new(&mut writing.writer)
                    .poll_write(context, &writing.piece[writing.written..])
            )?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            writing.written += n;
            self.taken.fetch_add(n as u64, Ordering::Relaxed);
            writing.unflushed = true;
        }
        if writing.unflushed {
            ready!(Pin::new(&mut writing.writer).poll_flush(context))?;
            writing.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what waits as the next piece; says whether there was any.
    fn refill(&self, writing: &mut Writing) -> bool {
        writing.piece.clear();
        writing.written = 0;
        let mut waiting = lock(&self.waiting);
        waiting.due = None;
        let len = waiting.bytes.len();
        if len == 0 {
            return false;
        }
        if len < KEPT_MAX {
            writing.piece.shrink_to(KEPT_MAX);
        }
        std::mem::swap(&mut waiting.bytes, &mut writing.piece);
        drop(waiting);
        if len >= WAITING_MAX {
            self.room.notify_waiters();
        }
        true
    }

    fn is_corked_here(&self) -> bool {
        CORKED.get() == self.address()
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// What is left to do for whoever has sent something.
enum Todo {
    Nothing,
    /// The writing task does not know of it.
    Wake,
    /// What waits is overdue.
    Write,
}

impl Waiting {
    /// Takes note of when what was added leaves at the latest.
    fn announce(&mut self, leeway: Duration) -> Todo {
        if self.due == Some(Due::AtOnce) {
            return Todo::Nothing;
        }
        if leeway.is_zero() {
            self.due = Some(Due::AtOnce);
            return Todo::Wake;
        }
        let now = Instant::now();
        match self.due {
            Some(Due::By(due)) if due <= now => Todo::Write,
            Some(Due::By(due)) if due <= now + leeway => Todo::Nothing,
            _ => {
                self.due = Some(Due::By(now + leeway));
                Todo::Wake
            }
        }
    }
}

impl Writing {
    fn is_done(&self) -> bool {
        self.written == self.piece.len()
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("waiting", &lock(&self.waiting).bytes.len())
            .finish_non_exhaustive()
    }
}

/// One batch. Its end, also by a panic, writes what was sent in it.
pub(super) struct Cork<'o> {
    outbox: &'o Outbox,
    before: usize,
}

impl Drop for Cork<'_> {
    fn drop(&mut self) {
        CORKED.set(self.before);
        self.outbox.flush();
    }
}

#[cfg(test)]
mod tests;
