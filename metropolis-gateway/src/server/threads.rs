//! Threads: where connections are served. Each has a runtime to itself, and its own connection to the bus.
//!
//! A request is read, sent on, answered and written by one thread, so that no step of it has to wake another: that costs
//! more than the step. Connections are together on as few threads as can serve them: what comes at once is then read and
//! sent at once, and fewer threads are woken. When a thread has too much to do, some of its connections [move](balance)
//! between two of their requests.

use std::io;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, JoinSet};

use self::balance::balance;
use super::Guest;
use super::turnstile::Turnstile;
use crate::busy_poll::BusyPoll;
use crate::forward::give_way;
use crate::site::Site;

mod balance;

/// Threads unless told otherwise, where there are more cores: each has a connection to the bus.
const THREADS_DEFAULT_MAX: usize = 8;

/// All threads. Dropping it lets each end once its connections have.
#[derive(Debug)]
pub(crate) struct Threads {
    rooms: Rooms,
    handles: Vec<JoinHandle<()>>,
    balance: JoinSet<()>,
}

/// Where connections come in, in the order of the threads.
type Rooms = Arc<[Room]>;

/// One thread, as others see it.
#[derive(Debug)]
struct Room {
    arrivals: mpsc::UnboundedSender<Arrival>,
    runtime: Handle,
    busy_poll: Option<Arc<BusyPoll>>,
    turnstile: Arc<Turnstile>,
    /// Connections on it, or on their way to it.
    seats: AtomicUsize,
    /// The part of the time in which it was at work of late, in thousandths, and something for each that has come since.
    load: AtomicUsize,
    /// Numbers the periods that `active` is counted in.
    period: AtomicU64,
    /// Connections that did something in this period.
    active: AtomicUsize,
    /// The part of those that are to move, in thousandths, and where to. It may be told of the one before the other.
    leaving: AtomicUsize,
    target: AtomicUsize,
}

/// A connection that comes to a thread.
struct Arrival {
    stream: TcpStream,
    /// What was read of it and is no request yet.
    unread: Bytes,
    guest: Guest,
    seat: Seat,
}

/// A connection's place on its thread, until it is dropped.
pub(super) struct Seat {
    rooms: Rooms,
    thread: usize,
    /// The last period in which the connection did something.
    period: u64,
    /// Its signs of life when it was asked for last.
    seen: u64,
}

impl Room {
    fn new(
        arrivals: mpsc::UnboundedSender<Arrival>,
        runtime: Handle,
        busy_poll: Option<Arc<BusyPoll>>,
        turnstile: Arc<Turnstile>,
    ) -> Self {
        Self {
            arrivals,
            runtime,
            busy_poll,
            turnstile,
            seats: AtomicUsize::default(),
            load: AtomicUsize::default(),
            period: AtomicU64::new(1),
            active: AtomicUsize::default(),
            leaving: AtomicUsize::default(),
            target: AtomicUsize::default(),
        }
    }

    /// A thread that has ended has no time for anybody.
    fn load(&self) -> usize {
        match self.arrivals.is_closed() {
            true => usize::MAX,
            false => self.load.load(Ordering::Relaxed),
        }
    }

    /// The time in which its thread was at work, so far.
    fn worked(&self) -> Duration {
        let awake = self.runtime.metrics().worker_total_busy_duration(0);
        let waiting = self.busy_poll.as_ref().map(|busy_poll| busy_poll.spent());
        awake.saturating_sub(waiting.unwrap_or_default())
    }
}

impl Seat {
    /// Whether to move to another thread, asked when nothing is under way, with the signs of life so far.
    ///
    /// Each connection that does something is asked once in a period, so that those with much to do leave in the same
    /// proportion as all others. One whose client always has the next request there already is never asked.
    pub(super) fn is_left(&mut self, seen: u64) -> bool {
        let room = &self.rooms[self.thread];
        let period = room.period.load(Ordering::Relaxed);
        if self.seen == seen || self.period == period {
            return false;
        }
        (self.seen, self.period) = (seen, period);
        let nth = room.active.fetch_add(1, Ordering::Relaxed);
        balance::is_among(nth, room.leaving.load(Ordering::Relaxed))
    }

    /// The turnstile of its thread.
    pub(super) fn turnstile(&self) -> Arc<Turnstile> {
        Arc::clone(&self.rooms[self.thread].turnstile)
    }

    /// Takes the connection to the other thread.
    fn change(self, stream: TcpStream, unread: Bytes, guest: Guest) {
        let thread = self.rooms[self.thread].target.load(Ordering::Relaxed);
        put(&self.rooms, thread, stream, unread, guest);
    }
}

/// Gives a connection to a thread.
fn put(rooms: &Rooms, thread: usize, stream: TcpStream, unread: Bytes, guest: Guest) {
    let room = &rooms[thread];
    room.seats.fetch_add(1, Ordering::Relaxed);
    room.load.fetch_add(balance::ARRIVAL, Ordering::Relaxed);
    let seat = Seat {
        rooms: Arc::clone(rooms),
        thread,
        period: 0,
        seen: guest.activity.seen(),
    };
    let arrival = Arrival {
        stream,
        unread,
        guest,
        seat,
    };
    if room.arrivals.send(arrival).is_err() {
        tracing::error!("a thread of the gateway has ended; its connections are closed");
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let room = &self.rooms[self.thread];
        room.seats.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Threads {
    /// Starts threads, each with a sibling of this site, and waits until all can serve.
    ///
    /// # Errors
    /// When the system gives no thread or no runtime.
    pub(super) async fn start(
        site: &Arc<Site>,
        count: Option<NonZeroUsize>,
        busy_polls: bool,
    ) -> io::Result<Self> {
        let mut rooms = Vec::new();
        let mut handles = Vec::new();
        let mut ready = Vec::new();
        for number in 0..count.map_or_else(default_count, NonZeroUsize::get) {
            let (arrivals, arriving) = mpsc::unbounded_channel();
            let (is_ready, readiness) = oneshot::channel();
            let busy_poll = busy_polls.then(Arc::<BusyPoll>::default);
            let turnstile = Arc::<Turnstile>::default();
            let runtime = runtime(Arc::clone(&turnstile))?;
            rooms.push(Room::new(
                arrivals,
                runtime.handle().clone(),
                busy_poll.clone(),
                turnstile,
            ));
            let site = Arc::clone(site);
            let thread = thread::Builder::new()
                .name(format!("gateway-{number}"))
                .spawn(move || serve_all(&runtime, &site, busy_poll, is_ready, arriving))?;
            handles.push(thread);
            ready.push(readiness);
        }
        for readiness in ready {
            // A thread that has ended instead is passed over, as one without time.
            let _ = readiness.await;
        }
        let rooms = Rooms::from(rooms);
        let mut balancing = JoinSet::new();
        balancing.spawn(balance(Arc::clone(&rooms)));
        Ok(Self {
            rooms,
            handles,
            balance: balancing,
        })
    }

    /// Gives a new connection to the first thread that has time for it.
    pub(super) fn serve(&self, stream: TcpStream, guest: Guest) {
        let thread = balance::place(self.rooms.iter().map(Room::load));
        put(&self.rooms, thread, stream, Bytes::new(), guest);
    }

    /// Ends the threads, whose connections have ended by now.
    pub(super) async fn stop(self) {
        let Self {
            rooms,
            handles,
            mut balance,
        } = self;
        balance.shutdown().await;
        drop(rooms);
        let ended = task::spawn_blocking(move || {
            // A thread that panicked has said so.
            handles.into_iter().for_each(|handle| drop(handle.join()));
        });
        let _ = ended.await;
    }
}

/// The runtime of one thread.
fn runtime(turnstile: Arc<Turnstile>) -> io::Result<Runtime> {
    let before_sleep = move || {
        give_way();
        turnstile.let_in_more();
    };
    Builder::new_current_thread()
        .enable_all()
        .on_thread_park(before_sleep)
        .build()
}

fn serve_all(
    runtime: &Runtime,
    site: &Site,
    busy_poll: Option<Arc<BusyPoll>>,
    ready: oneshot::Sender<()>,
    mut arriving: mpsc::UnboundedReceiver<Arrival>,
) {
    runtime.block_on(async {
        let site = Arc::new(site.sibling(busy_poll).await);
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
        unread,
        guest,
        mut seat,
    } = arrival;
    let stream = match tokio::net::TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => return tracing::warn!(%error, "a connection could not be served"),
    };
    let moved = guest.stay(stream, unread, &site, Some(&mut seat)).await;
    let Some((guest, stream, unread)) = moved else {
        return;
    };
    match stream.into_std() {
        Ok(stream) => seat.change(stream, unread, guest),
        Err(error) => tracing::warn!(%error, "a connection could not be moved"),
    }
}

fn default_count() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    cores.min(THREADS_DEFAULT_MAX)
}

#[cfg(test)]
mod tests;
