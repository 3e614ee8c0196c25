//! The processor time a thread took so far.

use std::fs::File;
use std::io::{Read, Seek};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

/// The scheduler's own book on the thread that opens it: nanoseconds on a core, and two more numbers.
const BOOK: &str = "/proc/thread-self/schedstat";

/// What tells of one thread.
#[derive(Debug)]
pub(super) struct CpuTime {
    book: Option<Mutex<File>>,
    runtime: Handle,
}

impl CpuTime {
    /// Of the thread that calls this, which has this runtime to itself.
    pub(super) fn of(runtime: Handle) -> Self {
        let book = File::open(BOOK).ok().map(Mutex::new);
        Self { book, runtime }
    }

    /// The processor time of the thread. Where the system keeps no such book: the time it did not sleep, which is more
    /// where there are fewer cores than there is to do.
    pub(super) fn read(&self) -> Duration {
        let booked = self.book.as_ref().and_then(|book| {
            let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
            let mut text = [0; 64];
            book.rewind().ok()?;
            let length = book.read(&mut text).ok()?;
            let nanos = std::str::from_utf8(&text[..length]).ok()?;
            nanos
                .split(' ')
                .next()?
                .parse()
                .ok()
                .map(Duration::from_nanos)
        });
        booked.unwrap_or_else(|| self.runtime.metrics().worker_total_busy_duration(0))
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_thread_that_sleeps_is_not_busy_and_one_that_computes_is() {
        let time = CpuTime::of(Handle::current());
        let step = Duration::from_millis(100);
        let before = time.read();
        sleep(step);
        let slept = time.read() - before;
        let begun = Instant::now();
        // As much of its own time as it takes: the machine may have others to serve.
        while time.read() - before - slept < step / 2 {
            assert!(begun.elapsed() < step * 100, "no time is booked");
        }
        assert!(slept < step / 2, "{slept:?}");
    }
}
