//! Where log lines go: a buffer in memory, which a thread of its own writes to standard error.
//!
//! Whoever logs must not wait for a terminal or a pipe that is slow. Lines are gathered for some milliseconds and written
//! together: waking a thread for each of them, as a channel does, costs more than the line. The buffer is bounded, and
//! what finds no room in it is counted.

use std::io::{self, Write, stderr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that may wait to be written.
const PENDING_MAX: usize = 1024 * 1024;

/// How long lines are gathered after some were written. The first line of a quiet process waits for nothing.
const REST: Duration = Duration::from_millis(5);

/// How long [`flush`] waits for standard error to take everything.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Sink {
    pending: Mutex<Pending>,
    /// The thread is told of lines while it waits for some.
    come: Condvar,
    /// The thread is told not to rest.
    hurry: Condvar,
    /// Others are told that everything was written.
    gone: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    is_writing: bool,
    is_idle: bool,
    is_urgent: bool,
}

/// `None` until somebody logs through it; with no thread to be had, lines are written by whoever logs them.
static SINK: OnceLock<(Sink, bool)> = OnceLock::new();

/// Writes whole lines: each call of `write` is one.
#[derive(Debug)]
pub(super) struct Lines;

pub(super) fn writer() -> Lines {
    Lines
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let (sink, has_thread) = SINK.get_or_init(|| (Sink::default(), start()));
        if !has_thread {
            return stderr().write(line);
        }
        sink.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Log lines that were dropped so far, because standard error did not take them in time.
#[must_use]
pub fn dropped_lines() -> u64 {
    SINK.get().map_or(0, |(sink, _)| sink.dropped.load(Relaxed))
}

/// Waits until every line that was logged is written, for a second at most. A process that ends at once after its last
/// lines should call it; [`run`](crate::run()) and a gateway's `run` do.
pub fn flush() {
    if let Some((sink, true)) = SINK.get() {
        sink.flush();
    }
}

fn start() -> bool {
    let thread = thread::Builder::new().name("metropolis-log".to_owned());
    thread.spawn(|| SINK.wait().0.write_all()).is_ok()
}

impl Sink {
    fn push(&self, line: &[u8]) {
        let mut pending = self.lock();
        if pending.bytes.len() + line.len() > PENDING_MAX {
            drop(pending);
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        pending.bytes.extend_from_slice(line);
        // Only a thread that waits is woken: that is a call of the system, and one that rests comes by itself.
        if pending.is_idle {
            self.come.notify_one();
        }
    }

    fn flush(&self) {
        let mut pending = self.lock();
        pending.is_urgent = true;
        self.hurry.notify_one();
        let is_busy = |pending: &mut Pending| pending.is_writing || !pending.bytes.is_empty();
        drop(
            self.gone
                .wait_timeout_while(pending, FLUSH_TIMEOUT, is_busy),
        );
    }

    /// The thread's loop.
    fn write_all(&self) {
        let mut batch = Vec::new();
        let mut pending = self.lock();
        loop {
            while pending.bytes.is_empty() {
                (pending.is_idle, pending.is_urgent) = (true, false);
                self.gone.notify_all();
                // Bytes are added as whole lines, so a poisoned lock holds good ones.
                pending = self
                    .come
                    .wait(pending)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            pending.is_idle = false;
            pending.is_writing = true;
            std::mem::swap(&mut batch, &mut pending.bytes);
            drop(pending);
            // There is nobody left to tell of an error.
            let _ = stderr().write_all(&batch);
            batch.clear();
            pending = self.lock();
            pending.is_writing = false;
            let may_rest = |pending: &mut Pending| !pending.is_urgent;
            pending = match self.hurry.wait_timeout_while(pending, REST, may_rest) {
                Ok((pending, _)) => pending,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
