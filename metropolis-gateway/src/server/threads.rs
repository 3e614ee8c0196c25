//! Threads: where connections are served. Each has a runtime to itself, and its own connection to the bus.
//!
//! A request is read, sent on, answered and written by one thread, so that no step of it has to wake another: that costs
//! more than the step. A new connection goes to the thread that has the fewest.

use std::io;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

use super::Guest;
use crate::site::Site;

/// Threads unless told otherwise, where there are more cores: each has a connection to the bus.
const THREADS_DEFAULT_MAX: usize = 8;

/// All threads. Dropping it lets each end once its connections have.
#[derive(Debug)]
pub(crate) struct Threads(Vec<Thread>);

#[derive(Debug)]
struct Thread {
    arrivals: mpsc::UnboundedSender<Arrival>,
    connections: Arc<AtomicUsize>,
    handle: JoinHandle<()>,
}

struct Arrival {
    stream: TcpStream,
    guest: Guest,
    /// Counts down when the connection has ended.
    counted: Counted,
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Threads {
    /// Starts threads, each with a sibling of this site, and waits until all can serve.
    ///
    /// # Errors
    /// When the system gives no thread or no runtime.
    pub(super) async fn start(site: &Arc<Site>, count: Option<NonZeroUsize>) -> io::Result<Self> {
        let mut threads = Vec::new();
        let mut ready = Vec::new();
        for number in 0..count.map_or_else(default_count, NonZeroUsize::get) {
            let (thread, is_ready) = Thread::start(number, Arc::clone(site))?;
            threads.push(thread);
            ready.push(is_ready);
        }
        for is_ready in ready {
            // A thread that has ended instead serves nobody, which the next arrival will say.
            let _ = is_ready.await;
        }
        Ok(Self(threads))
    }

    /// Gives a connection to the thread that has the fewest.
    pub(super) fn serve(&self, stream: TcpStream, guest: Guest) {
        let fewest = self
            .0
            .iter()
            .min_by_key(|thread| thread.connections.load(Ordering::Relaxed));
        let thread = fewest.expect("there is at least one thread");
        thread.connections.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&thread.connections));
        let arrival = Arrival {
            stream,
            guest,
            counted,
        };
        if thread.arrivals.send(arrival).is_err() {
            tracing::error!("a thread of the gateway has ended; its connections are closed");
        }
    }

    /// Ends the threads, whose connections have ended by now.
    pub(super) async fn stop(self) {
        let ended = tokio::task::spawn_blocking(move || {
            for Thread {
                arrivals, handle, ..
            } in self.0
            {
                drop(arrivals);
                // A thread that panicked has said so.
                let _ = handle.join();
            }
        });
        let _ = ended.await;
    }
}

impl Thread {
    fn start(number: usize, site: Arc<Site>) -> io::Result<(Self, oneshot::Receiver<()>)> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (arrivals, arriving) = mpsc::unbounded_channel();
        let (ready, is_ready) = oneshot::channel();
        let handle = thread::Builder::new()
            .name(format!("gateway-{number}"))
            .spawn(move || serve_all(&runtime, &site, ready, arriving))?;
        let thread = Self {
            arrivals,
            connections: Arc::default(),
            handle,
        };
        Ok((thread, is_ready))
    }
}

fn serve_all(
    runtime: &Runtime,
    site: &Site,
    ready: oneshot::Sender<()>,
    mut arriving: mpsc::UnboundedReceiver<Arrival>,
) {
    runtime.block_on(async {
        let site = Arc::new(site.sibling().await);
        // Whoever started this may have gone.
        let _ = ready.send(());
        while let Some(arrival) = arriving.recv().await {
            tokio::spawn(serve_one(arrival, Arc::clone(&site)));
        }
    });
}

async fn serve_one(arrival: Arrival, site: Arc<Site>) {
    let Arrival {
        stream,
        guest,
        counted,
    } = arrival;
    match tokio::net::TcpStream::from_std(stream) {
        Ok(stream) => guest.stay(stream, &site).await,
        Err(error) => tracing::warn!(%error, "a connection could not be served"),
    }
    drop(counted);
}

fn default_count() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    cores.min(THREADS_DEFAULT_MAX)
}
