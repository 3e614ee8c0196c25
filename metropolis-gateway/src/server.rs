//! Server: listeners and connections. Which bytes are a request is hyper's to say, what they mean is the site's.
//!
//! A stop has phases, because closing a connection loses what its client has just sent: first the gateway lingers, where
//! every answer tells its client that the connection ends; then idle connections are closed and busy ones finish; and
//! at the deadline the rest is cut off.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout, timeout_at};

use self::patience::{Patience, Watch};
use self::stream::{Head, Stream};
use self::threads::Threads;
use crate::site::{Side, Site};
use crate::status::Refusal;

mod patience;
mod stream;
mod threads;

/// Connections at a time, over all listeners; more wait to be accepted.
pub(crate) const CONNECTIONS_MAX: usize = 10_000;

/// How long the head of a request may take to arrive, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes hyper reads ahead; a head that does not fit is answered with a bare 431.
const BUFFER_MAX: usize = 64 * 1024;

/// How much of a body nobody wanted is read on after the answer is known, and for how long. Closing a connection while
/// its client still sends would take the answer away from it.
const DISCARD_MAX: usize = 4 * 1024 * 1024;
const DISCARD_FOR: Duration = Duration::from_secs(1);

/// How long a stopping gateway goes on accepting, while its answers tell clients to leave.
const LINGER: Duration = Duration::from_millis(500);

/// How long an idle connection is looked at once more before it is closed.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// The same for a connection that has not brought a request yet: whoever has just connected is about to send one, and
/// nothing has told it that this gateway stops.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// How often a lingering gateway looks whether everybody has left.
const LINGER_STEP: Duration = Duration::from_millis(10);

/// How long accepting pauses after an error that is not the connection's own, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    /// A server whose connections are served by so many threads, or by as many as there are cores; on a runtime of one
    /// thread, which is somebody's wish, by that one.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(crate) async fn start(site: Arc<Site>, threads: Option<NonZeroUsize>) -> io::Result<Self> {
        let (alive, gone) = mpsc::channel(1);
        let is_alone = Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread;
        let threads = match threads {
            None if is_alone => None,
            count => Some(Arc::new(Threads::start(&site, count).await?)),
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
        let end = deadline.min(Instant::now() + LINGER);
        while self.places.available_permits() < CONNECTIONS_MAX - self.listeners.len()
            && Instant::now() < end
        {
            sleep(LINGER_STEP).await;
        }
    }
}

/// What a listener needs to let connections in.
#[derive(Clone)]
struct Door {
    side: Side,
    site: Arc<Site>,
    threads: Option<Arc<Threads>>,
    phase: watch::Receiver<Phase>,
    places: Arc<Semaphore>,
    alive: mpsc::Sender<Infallible>,
}

impl Door {
    async fn accept_all(self, listener: TcpListener) {
        let mut phase = self.phase.clone();
        loop {
            tokio::select! {
                () = reached(&mut phase, Phase::Closing) => break,
                (stream, place) = self.accept(&listener) => self.let_in(stream, place),
            }
        }
        // Who was connected before the listener closed is answered too.
        while let Some(Ok((stream, _))) = now(&listener).await {
            match Arc::clone(&self.places).try_acquire_owned() {
                Ok(place) => self.let_in(stream, place),
                Err(_) => break,
            }
        }
    }

    /// Waits for a place and then for a connection.
    async fn accept(&self, listener: &TcpListener) -> (TcpStream, OwnedSemaphorePermit) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return (stream, place),
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn let_in(&self, stream: TcpStream, place: OwnedSemaphorePermit) {
        // An answer goes out as one write; waiting for more would only delay it.
        let _ = stream.set_nodelay(true);
        let guest = Guest {
            side: self.side,
            phase: self.phase.clone(),
            place,
            alive: self.alive.clone(),
        };
        let Some(threads) = &self.threads else {
            let site = Arc::clone(&self.site);
            tokio::spawn(async move { guest.stay(stream, &site).await });
            return;
        };
        match stream.into_std() {
            Ok(stream) => threads.serve(stream, guest),
            Err(error) => tracing::warn!(%error, "a connection could not be served"),
        }
    }
}

/// A connection that was let in, and what is held for as long as it stays.
struct Guest {
    side: Side,
    phase: watch::Receiver<Phase>,
    place: OwnedSemaphorePermit,
    alive: mpsc::Sender<Infallible>,
}

impl Guest {
    async fn stay(self, stream: TcpStream, site: &Site) {
        connection(stream, site, self.side, self.phase).await;
        drop((self.place, self.alive));
    }
}

/// A connection that waits to be accepted, if there is one now.
async fn now(listener: &TcpListener) -> Option<io::Result<(TcpStream, std::net::SocketAddr)>> {
    poll_fn(|cx| match listener.poll_accept(cx) {
        Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Waits until a stop has come this far. A server that is gone altogether counts as cut off.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

/// Answers the requests of one connection. What goes wrong on it is its client's affair.
async fn connection(stream: TcpStream, site: &Site, side: Side, mut phase: watch::Receiver<Phase>) {
    let (stream, kept) = Stream::new(stream);
    let is_known = AtomicBool::new(false);
    let service = service_fn(|request| {
        is_known.store(true, Ordering::Relaxed);
        exchange(site, side, &kept, request)
    });
    let patience = Patience::new();
    let mut watch = Watch::over(patience.clone());
    let connection = http1(patience).serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    if ends_before(connection.as_mut(), &mut watch, &mut phase, Phase::Closing).await {
        return;
    }
    let rest = poll_fn(|context| poll_watched(connection.as_mut(), &mut watch, context));
    if timeout(look(&is_known), rest).await.is_ok() {
        return;
    }
    connection.as_mut().graceful_shutdown();
    ends_before(connection, &mut watch, &mut phase, Phase::CutOff).await;
}

/// Goes on with a connection until a stop has come this far; says whether it has ended before.
async fn ends_before<C: Future>(
    mut connection: Pin<&mut C>,
    watch: &mut Watch,
    phase: &mut watch::Receiver<Phase>,
    wanted: Phase,
) -> bool {
    let news = phase.clone();
    let mut is_listening = false;
    let mut reached = pin!(reached(phase, wanted));
    poll_fn(|context| {
        if poll_watched(connection.as_mut(), watch, context).is_ready() {
            return Poll::Ready(true);
        }
        // A stop is asked for once, and then only when there is news of it: this is polled for every request.
        if is_listening && !news.has_changed().unwrap_or(true) {
            return Poll::Pending;
        }
        is_listening = true;
        reached.as_mut().poll(context).map(|()| false)
    })
    .await
}

/// Goes on with a connection, and asks it once more when the head that it waits for may be due.
fn poll_watched<C: Future>(
    mut connection: Pin<&mut C>,
    watch: &mut Watch,
    context: &mut Context<'_>,
) -> Poll<()> {
    loop {
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        if !watch.strikes(context) {
            return Poll::Pending;
        }
    }
}

fn look(is_known: &AtomicBool) -> Duration {
    match is_known.load(Ordering::Relaxed) {
        true => LAST_LOOK,
        false => FIRST_LOOK,
    }
}

fn http1(patience: Patience) -> http1::Builder {
    let mut http1 = http1::Builder::new();
    http1
        .timer(patience)
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_MAX);
    http1
}

async fn exchange(
    site: &Site,
    side: Side,
    kept: &Head,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (mut head, mut body) = request.into_parts();
    restore_lengths(&mut head, kept);
    let mut response = match lacks_host(&head) {
        true => site.refuse(&head, Refusal::Bad("there is no Host")),
        false => site.respond(side, &head, &mut body).await,
    };
    if !body.is_end_stream() {
        discard(&head, &mut body).await;
    }
    if site.readiness().is_stopping() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    Ok(response.map(Full::new))
}

/// Puts back each `Content-Length` that hyper takes out of a request, for the site to refuse: all of them where there is a
/// `Transfer-Encoding` too, and those that repeat the first.
fn restore_lengths(head: &mut Parts, kept: &Head) {
    if !head.headers.contains_key(TRANSFER_ENCODING) && !head.headers.contains_key(CONTENT_LENGTH) {
        kept.skip();
        return;
    }
    let left = head.headers.get_all(CONTENT_LENGTH).iter().count();
    for _ in left..kept.lengths() {
        let length = HeaderValue::from_static("0");
        head.headers.append(CONTENT_LENGTH, length);
    }
}

/// HTTP/1.1 demands a host (RFC 9112 §3.2).
fn lacks_host(head: &Parts) -> bool {
    head.version == Version::HTTP_11 && !head.headers.contains_key(HOST)
}

/// Reads on a body that was refused. A client that waits to be asked for it is not asked.
async fn discard(head: &Parts, body: &mut Incoming) {
    if head.headers.contains_key(EXPECT) {
        return;
    }
    let some = async {
        let mut left = DISCARD_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    let _ = timeout(DISCARD_FOR, some).await;
}
