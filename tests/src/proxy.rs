//! A TCP proxy that puts distance between two parties, and faults.
//!
//! A chunk is stamped when it arrives and written when its time has come, so a delay costs no
//! throughput and keeps the order. The timer's step is one millisecond.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// The largest piece the proxy reads at once, in bytes.
const CHUNK_MAX: usize = 16 * 1024;

/// How many chunks may be under way per direction; then the proxy stops reading.
const CHUNKS_MAX: usize = 4096;

/// A running proxy. Dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct DelayProxy {
    address: SocketAddr,
    faults: watch::Sender<Faults>,
    accepting: AbortHandle,
}

/// What is wrong with the line at the moment.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    is_paused: bool,
    cuts: u64,
}

impl DelayProxy {
    /// Listens on a free loopback port and forwards to `target`, each direction that much later.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub async fn start(target: SocketAddr, one_way_delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("the loopback interface has a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let (faults, watched) = watch::channel(Faults::default());
        let route = Route {
            target,
            delay: one_way_delay,
            faults: watched,
        };
        let accepting = tokio::spawn(accept(listener, route)).abort_handle();
        Self {
            address,
            faults,
            accepting,
        }
    }

    /// The address to connect to instead of the target's.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection there is. New ones are accepted as before.
    pub fn cut(&self) {
        self.faults.send_modify(|faults| faults.cuts += 1);
    }

    /// Holds back everything, in both directions, without closing anything.
    ///
    /// New connections are still accepted, and stay silent.
    pub fn pause(&self) {
        self.faults.send_modify(|faults| faults.is_paused = true);
    }

    /// Lets through what was held back, in order, and what follows.
    pub fn resume(&self) {
        self.faults.send_modify(|faults| faults.is_paused = false);
    }
}

impl Drop for DelayProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What each connection needs to know.
#[derive(Clone)]
struct Route {
    target: SocketAddr,
    delay: Duration,
    faults: watch::Receiver<Faults>,
}

/// Accepts for ever. The connections live in this task's set, so ending the task ends them.
async fn accept(listener: TcpListener, route: Route) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((near, _)) = accepted {
                connections.spawn(until_cut(near, route.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn until_cut(near: TcpStream, mut route: Route) {
    let cuts = route.faults.borrow_and_update().cuts;
    let mut faults = route.faults.clone();
    tokio::select! {
        // An error here is a party that went away; dropping the streams tells the other one.
        _ = forward_both_ways(near, route) => {}
        _ = faults.wait_for(|faults| faults.cuts != cuts) => {}
    }
}

async fn forward_both_ways(near: TcpStream, route: Route) -> std::io::Result<()> {
    let far = TcpStream::connect(route.target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::try_join!(
        forward(near_read, far_write, &route),
        forward(far_read, near_write, &route),
    )?;
    Ok(())
}

/// One direction: what is read goes into the queue with the time it is due, the end included.
async fn forward(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    route: &Route,
) -> std::io::Result<()> {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    tokio::try_join!(
        take_in(from, sender, route.delay),
        give_out(receiver, to, route.faults.clone()),
    )?;
    Ok(())
}

/// A chunk and the moment it is due. An empty one is the end of the stream.
type Due = (Instant, Vec<u8>);

async fn take_in(
    mut from: impl AsyncRead + Unpin,
    queue: mpsc::Sender<Due>,
    delay: Duration,
) -> std::io::Result<()> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_MAX);
        let is_end = from.read_buf(&mut chunk).await? == 0;
        // A closed queue means that the writing half failed, which ends this direction anyway.
        let is_closed = queue.send((Instant::now() + delay, chunk)).await.is_err();
        if is_end || is_closed {
            return Ok(());
        }
    }
}

async fn give_out(
    mut queue: mpsc::Receiver<Due>,
    mut to: impl AsyncWrite + Unpin,
    mut faults: watch::Receiver<Faults>,
) -> std::io::Result<()> {
    while let Some((due, chunk)) = queue.recv().await {
        sleep_until(due).await;
        // An error means that the proxy is gone, and this task with it in a moment.
        let _ = faults.wait_for(|faults| !faults.is_paused).await;
        if chunk.is_empty() {
            return to.shutdown().await;
        }
        to.write_all(&chunk).await?;
    }
    Ok(())
}
