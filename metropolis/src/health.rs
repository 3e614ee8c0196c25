//! Health: whether a process lives, whether it is ready, and what it counts, for whoever runs it.
//!
//! A worker speaks no HTTP otherwise, so this is the least that a probe needs: three paths, one request a connection. It
//! listens before the bus is reached, because a process that waits for its server lives and is not ready.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::bus::Bus;
use crate::telemetry::Exposition;
use crate::telemetry::exposition::MEDIA_TYPE;
use crate::wire::{JSON, PROBLEM_JSON};

/// How long the bus may take to answer before a process counts as not ready.
const READY_WITHIN: Duration = Duration::from_secs(1);
/// How long an answer of the bus stands, so that asking often costs it nothing.
const READY_FOR: Duration = Duration::from_millis(250);

/// Probes at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// How long one probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest head of a request, in bytes, and the most headers in it.
const HEAD_MAX: usize = 8 * 1024;
const HEADERS_MAX: usize = 64;
/// How long accepting pauses after an error, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whether a bus answers: a real round trip, made seldom however often it is asked for.
#[derive(Debug)]
pub struct BusCheck {
    bus: Bus,
    /// When the bus was last asked, and what came of it. Whoever asks meanwhile waits for the same answer.
    last: AsyncMutex<Option<(Instant, bool)>>,
}

impl BusCheck {
    /// A check of a bus.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        Self {
            bus,
            last: AsyncMutex::new(None),
        }
    }

    /// Whether a round trip came back within a second, now or a moment ago.
    pub async fn answers(&self) -> bool {
        if !self.bus.is_connected() {
            return false;
        }
        let mut last = self.last.lock().await;
        if let Some((asked, answer)) = *last
            && asked.elapsed() < READY_FOR
        {
            return answer;
        }
        let answer = self.bus.fence(Instant::now() + READY_WITHIN).await.is_ok();
        *last = Some((Instant::now(), answer));
        answer
    }
}

/// Answers `GET /healthz`, `GET /readyz` and `GET /metrics` on an address of its own.
///
/// Give it to the worker whose readiness it tells, with [`Worker::with_health`](crate::Worker::with_health). Until then,
/// and from the moment that worker stops, the answer to `/readyz` is 503. Dropping it closes the listener.
#[derive(Debug)]
pub struct Health {
    address: SocketAddr,
    told: Arc<Told>,
    listening: JoinHandle<()>,
}

/// What is said to whoever asks now.
type Told = Mutex<Answers>;

#[derive(Debug, Clone)]
struct Answers {
    /// What is asked when somebody wants to know whether the process is ready; nothing while it is not.
    checks: Option<Arc<[BusCheck]>>,
    /// `None` when metrics are switched off.
    metrics: Option<Arc<Exposition>>,
}

impl Health {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn listen(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let told = Arc::new(Mutex::new(Answers {
            checks: None,
            metrics: Some(Arc::new(Exposition::new())),
        }));
        tracing::info!("health on http://{address}");
        Ok(Self {
            address,
            listening: tokio::spawn(accept_all(listener, Arc::clone(&told))),
            told,
        })
    }

    /// The address really listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the process is ready while these buses answer, and shows these metrics.
    pub(crate) fn begin(&self, buses: impl Iterator<Item = Bus>, metrics: Option<Exposition>) {
        *lock(&self.told) = Answers {
            checks: Some(buses.map(BusCheck::new).collect()),
            metrics: metrics.map(Arc::new),
        };
    }

    /// From now on the process is not ready; its metrics go on to the end.
    pub(crate) fn end(&self) {
        lock(&self.told).checks = None;
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn lock(told: &Told) -> MutexGuard<'_, Answers> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept_all(listener: TcpListener, told: Arc<Told>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let told = Arc::clone(&told);
        tokio::spawn(async move {
            // What goes wrong on a probe's connection is the probe's to notice.
            let _ = timeout(PROBE_TIMEOUT, answer(stream, &told)).await;
            drop(place);
        });
    }
}

async fn answer(mut stream: TcpStream, told: &Told) -> io::Result<()> {
    let head = read_head(&mut stream).await?;
    let Answers { checks, metrics } = lock(told).clone();
    let response = match target(&head).as_deref() {
        Some("/healthz") => ALIVE,
        Some("/readyz") => match checks {
            Some(checks) if all_answer(&checks).await => READY,
            _ => NOT_READY,
        },
        Some("/metrics") => match metrics {
            Some(metrics) => shown(metrics).await,
            None => NO_METRICS,
        },
        Some(_) => NOT_FOUND,
        None => BAD_REQUEST,
    };
    stream.write_all(response.text().as_bytes()).await?;
    stream.shutdown().await
}

async fn all_answer(checks: &[BusCheck]) -> bool {
    let answers = futures_util::future::join_all(checks.iter().map(BusCheck::answers));
    answers.await.into_iter().all(|answers| answers)
}

/// Writing thousands of lines takes a while, in which a thread of the runtime would do nothing else.
async fn shown(metrics: Arc<Exposition>) -> Response {
    match tokio::task::spawn_blocking(move || metrics.text()).await {
        Ok(text) => Response {
            status: "200 OK",
            media_type: MEDIA_TYPE,
            body: Cow::Owned(text),
        },
        Err(_) => NO_METRICS,
    }
}

/// Reads until the empty line that ends a head, or as much as a head may have.
async fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(1024);
    while head.len() < HEAD_MAX && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    Ok(head)
}

/// The path that is asked for, without its query; `None` for what is no complete `GET`.
fn target(head: &[u8]) -> Option<String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let status = request.parse(head).ok()?;
    let path = request
        .path
        .filter(|_| status.is_complete() && request.method == Some("GET"))?;
    Some(path.split('?').next().unwrap_or_default().to_owned())
}

/// A whole response.
struct Response {
    status: &'static str,
    media_type: &'static str,
    body: Cow<'static, str>,
}

const ALIVE: Response = Response {
    status: "200 OK",
    media_type: JSON,
    body: Cow::Borrowed(r#"{"status":"alive"}"#),
};
const READY: Response = Response {
    status: "200 OK",
    media_type: JSON,
    body: Cow::Borrowed(r#"{"status":"ready"}"#),
};
const NOT_READY: Response = Response {
    status: "503 Service Unavailable",
    media_type: PROBLEM_JSON,
    body: Cow::Borrowed(
        r#"{"status":503,"code":"not_ready","detail":"the worker is starting, stopping or without its bus"}"#,
    ),
};
const NOT_FOUND: Response = Response {
    status: "404 Not Found",
    media_type: PROBLEM_JSON,
    body: Cow::Borrowed(
        r#"{"status":404,"code":"not_found","detail":"there are /healthz, /readyz and /metrics here"}"#,
    ),
};
const NO_METRICS: Response = Response {
    status: "404 Not Found",
    media_type: PROBLEM_JSON,
    body: Cow::Borrowed(
        r#"{"status":404,"code":"no_metrics","detail":"metrics are switched off here"}"#,
    ),
};
const BAD_REQUEST: Response = Response {
    status: "400 Bad Request",
    media_type: PROBLEM_JSON,
    body: Cow::Borrowed(
        r#"{"status":400,"code":"bad_request","detail":"this answers GET of /healthz, /readyz and /metrics"}"#,
    ),
};

impl Response {
    fn text(&self) -> String {
        let Self {
            status,
            media_type,
            body,
        } = self;
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
    }
}
