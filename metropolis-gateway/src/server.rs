//! Server: listeners and connections. Which bytes are a request is hyper's to say, what they mean is the site's.
//!
//! A stop has phases, because closing a connection loses what its client has just sent: first the gateway lingers, where
//! every answer tells its client that the connection ends; then [listeners](door) and idle connections are closed and busy
//! ones finish; and at the deadline the rest is cut off.

use std::convert::Infallible;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

use self::door::Door;
pub(crate) use self::door::listen;
use self::patience::Activity;
use self::threads::{Seat, Threads};
use crate::site::{Side, Site};

mod connection;
mod door;
mod http1;
mod patience;
mod stream;
mod threads;
mod turnstile;

/// Connections at a time, over all listeners; more wait to be accepted.
pub(crate) const CONNECTIONS_MAX: usize = 10_000;

/// More connections than these are a crowd: 5 MB would be hyper's if it kept its part of each, which is what caches hold.
const CROWD: usize = 256;

/// How long a stopping gateway goes on accepting, while its answers tell clients to leave.
const LINGER: Duration = Duration::from_millis(500);

/// How often a lingering gateway looks whether everybody has left.
const LINGER_STEP: Duration = Duration::from_millis(10);

/// How far a stop has come, for connections and listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    Closing,
    CutOff,
}

/// Listeners with all of their connections.
#[derive(Debug)]
pub(crate) struct Server {
    site: Arc<Site>,
    /// `None` where connections are served on the runtime that the gateway was started on.
    threads: Option<Arc<Threads>>,
    phase: watch::Sender<Phase>,
    places: Arc<Semaphore>,
    listeners: JoinSet<()>,
    /// Held by every listener and connection; the other end hears when the last is gone.
    alive: mpsc::Sender<Infallible>,
    gone: mpsc::Receiver<Infallible>,
}

impl Server {
    /// A server whose connections are served by so many threads, or by as many as there are cores.
    ///
    /// Unless it is told how many, a runtime of one thread, which is somebody's wish, serves them itself. So does a runtime
    /// whose tasks are asked: otherwise a task that waits would have to wake a thread of ours for each answer. Such a runtime
    /// is not kept awake, whether this server `busy_polls` or not.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(crate) async fn start(
        site: Arc<Site>,
        threads: Option<NonZeroUsize>,
        busy_polls: bool,
    ) -> io::Result<Self> {
        let (alive, gone) = mpsc::channel(1);
        let is_alone = Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread;
        let threads = match threads {
            None if is_alone || site.is_within_this_process() => None,
            count => Some(Arc::new(Threads::start(&site, count, busy_polls).await?)),
        };
        Ok(Self {
            threads,
            site,
            phase: watch::channel(Phase::Open).0,
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            listeners: JoinSet::new(),
            alive,
            gone,
        })
    }

    /// Accepts connections from now on.
    pub(crate) fn listen(&mut self, listener: TcpListener, side: Side) {
        let door = Door {
            side,
            site: Arc::clone(&self.site),
            threads: self.threads.clone(),
            phase: self.phase.subscribe(),
            places: Arc::clone(&self.places),
            alive: self.alive.clone(),
        };
        self.listeners.spawn(door.accept_all(listener));
    }

    /// Stops without losing a request that was taken, as far as the deadline allows.
    pub(crate) async fn stop(mut self, deadline: Instant) {
        self.site.readiness().stop();
        self.linger(deadline).await;
        self.phase.send_replace(Phase::Closing);
        drop(self.alive);
        if timeout_at(deadline.into(), self.gone.recv()).await.is_err() {
            tracing::warn!("the stop timeout is over: connections are cut off");
            self.phase.send_replace(Phase::CutOff);
            self.gone.recv().await;
        }
        while self.listeners.join_next().await.is_some() {}
        if let Some(threads) = self.threads.and_then(Arc::into_inner) {
            threads.stop().await;
        }
    }

    async fn linger(&self, deadline: Instant) {
        let all_have_left = async {
            while self.places.available_permits() < CONNECTIONS_MAX - self.listeners.len() {
                sleep(LINGER_STEP).await;
            }
        };
        let end = deadline.min(Instant::now() + LINGER);
        let _ = timeout_at(end.into(), all_have_left).await;
    }
}

/// A connection that was let in, and what is held for as long as it stays.
struct Guest {
    side: Side,
    phase: watch::Receiver<Phase>,
    activity: Activity,
    place: OwnedSemaphorePermit,
    _alive: mpsc::Sender<Infallible>,
}

impl Guest {
    /// Answers the requests of a connection until it ends; or until it is to leave its seat, and is given back with what was
    /// read of its next request.
    async fn stay(
        mut self,
        stream: TcpStream,
        unread: Bytes,
        site: &Site,
        seat: Option<&mut Seat>,
    ) -> Option<(Self, TcpStream, Bytes)> {
        let (stream, unread) = connection::serve(stream, unread, site, &mut self, seat).await?;
        Some((self, stream, unread))
    }
}

/// Whether the connection that has this place is one of very many.
fn is_crowd(place: &OwnedSemaphorePermit) -> bool {
    place.semaphore().available_permits() < CONNECTIONS_MAX - CROWD
}

/// Waits until a stop has come this far. A server that is gone altogether counts as cut off.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}
