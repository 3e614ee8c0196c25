//! The HTTP gateway of metropolis: routes, status codes and an OpenAPI document, all from the tasks' own metadata.
//!
//! A task annotated with `#[metropolis::task]` has a route; the gateway answers it by a request on the bus. The path of
//! a request never becomes a subject: it is looked up in a table that was made at the start.
//!
//! ```no_run
//! #[metropolis::task(subject = "text.reverse")]
//! async fn reverse(text: String) -> String {
//!     text.chars().rev().collect()
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), metropolis::RunError> {
//!     metropolis_gateway::run().await // POST /text/reverse
//! }
//! ```
//!
//! A gateway serves the tasks that are linked in, routes that are [configured](Gateway::with_route), and where it was
//! [asked to](Gateway::with_discovery) whatever services are on the bus, as the program `metropolis-gateway` does.
//!
//! Beside the routes it answers `/openapi.json`, `/docs`, `/healthz` and `/readyz`, and on a local or administrative
//! listener `/_routes`, `/metrics` and `/_console`. Every error is `application/problem+json` with `status`, `code` and
//! `detail`. Only what breaks HTTP/1.1
//! itself is answered by the HTTP library with a bare status: a request line or a header that cannot be parsed (400), a
//! path of more than 64 KiB (414), a head of more than that or 100 headers (431). A connection is closed after 30 to 35
//! seconds without a sign of life: when the rest of a head does not arrive, when nothing is asked, and when its client
//! takes next to nothing of a large answer.
#![forbid(unsafe_code)]

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use metropolis::catalog::{Catalog, Problem, Problems};
use metropolis::config::{
    BUCKET_DEFAULT, DISCOVERY_INTERVAL_DEFAULT, LISTEN_DEFAULT, STOP_TIMEOUT_DEFAULT, Settings,
};
use metropolis::permissions::Permissions;
use metropolis::worker::stop_signal;
use metropolis::{Bus, RunError, Worker, connect};

mod access;
mod admin;
mod admission;
mod assets;
mod busy_poll;
mod console;
mod discovery;
mod fixed;
mod flood;
mod forward;
mod head;
mod metrics;
mod mount;
mod openapi;
mod operation;
mod permissions;
mod server;
mod site;
mod start;
mod status;
mod table;
mod testing;
mod traced;
mod workers;

pub use fixed::StaticRoute;
pub use head::{HEADERS_BYTES_MAX, HEADERS_MAX, URI_MAX};
pub use mount::Mounted;
pub use operation::Format;
pub use start::{RunningGateway, StartError};
pub use testing::InProcess;

/// The largest body of a request, in bytes, unless the gateway is told otherwise. The bus may take less.
pub const BODY_MAX_DEFAULT: usize = 1024 * 1024;

/// Answers HTTP requests by calling tasks over a bus.
///
/// ```no_run
/// # use metropolis_gateway::Gateway;
/// # struct Database;
/// # async fn example(bus: metropolis::Bus) -> Result<(), metropolis::RunError> {
/// let worker = metropolis::Worker::new(bus.clone()).provide(Database);
/// Gateway::new(bus).with_worker(worker).run().await
/// # }
/// ```
#[derive(Debug)]
pub struct Gateway {
    bus: Bus,
    workers: Vec<Worker>,
    listen: SocketAddr,
    admin_listen: Option<SocketAddr>,
    body_max: usize,
    forwarded: Option<Vec<String>>,
    stop_timeout: Duration,
    threads: Option<NonZeroUsize>,
    fixed: Vec<StaticRoute>,
    is_discovering: bool,
    discovery_interval: Duration,
    bucket: Option<String>,
    metrics: bool,
    trusts_traces: Option<bool>,
    docs: bool,
    console: bool,
    busy_polls: bool,
}

/// Runs a worker and a gateway in one process, as the environment wants them, until SIGTERM or ctrl-c.
///
/// Without `METROPOLIS_NATS_URL` the two talk over the embedded bus, so this needs nothing but itself.
///
/// # Errors
/// When a setting is malformed, the bus is not reached, or worker or gateway cannot start.
pub async fn run() -> Result<(), RunError> {
    let settings = Settings::from_env()?;
    let bus = connect(&settings, "gateway").await?;
    let worker = Worker::configured(bus.clone(), &settings);
    Gateway::configured(bus, &settings)
        .with_worker(worker)
        .run()
        .await
}

/// The OpenAPI 3.1 document of the tasks linked into this process. Needs no bus, so tests and diffs can use it.
///
/// # Errors
/// With every conflict between the tasks.
pub fn openapi() -> Result<serde_json::Value, Problems> {
    Catalog::linked().map(|catalog| openapi::document(&operation::linked(catalog.entries())))
}

impl Gateway {
    /// A gateway with the routes of every linked task, served or declared, on `127.0.0.1:8080`.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        Self {
            bus,
            workers: Vec::new(),
            listen: LISTEN_DEFAULT.parse().expect("the default is an address"),
            admin_listen: None,
            body_max: BODY_MAX_DEFAULT,
            forwarded: None,
            stop_timeout: STOP_TIMEOUT_DEFAULT,
            threads: None,
            fixed: Vec::new(),
            is_discovering: false,
            discovery_interval: DISCOVERY_INTERVAL_DEFAULT,
            bucket: Some(BUCKET_DEFAULT.to_owned()),
            metrics: true,
            trusts_traces: None,
            docs: true,
            console: true,
            busy_polls: true,
        }
    }

    /// A gateway as the environment wants it.
    #[must_use]
    pub fn configured(bus: Bus, settings: &Settings) -> Self {
        Self {
            listen: settings.listen,
            admin_listen: settings.admin_listen,
            stop_timeout: settings.stop_timeout,
            threads: settings.threads,
            discovery_interval: settings.discovery_interval,
            bucket: settings.bucket.clone(),
            metrics: settings.metrics,
            trusts_traces: settings.trust_trace,
            docs: settings.docs,
            console: settings.console,
            busy_polls: settings.busy_poll,
            ..Self::new(bus)
        }
    }

    /// A gateway without a worker, on the bus the environment names.
    ///
    /// # Errors
    /// When a setting is malformed, the bus is not reached, or none is named: nobody else is on the embedded bus.
    pub async fn from_env() -> Result<Self, RunError> {
        Self::alone(&Settings::from_env()?).await
    }

    /// A gateway without a worker, on the bus that settings name.
    ///
    /// # Errors
    /// When the bus is not reached, or none is named: nobody else is on the embedded bus.
    pub async fn alone(settings: &Settings) -> Result<Self, RunError> {
        let bus = connect(settings, "gateway").await?;
        if bus.is_embedded() {
            return Err(StartError::from(alone()).into());
        }
        Ok(Self::configured(bus, settings))
    }

    /// Runs a worker in the same process: it is started before the first request and stopped after the last one.
    #[must_use]
    pub fn with_worker(mut self, worker: Worker) -> Self {
        self.workers.push(worker);
        self
    }

    /// Where to listen; port 0 takes any free one. `METROPOLIS_LISTEN`.
    #[must_use]
    pub fn with_listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Where to listen for administrative paths. Without it they are answered only while the public address is one of
    /// the loopback. `METROPOLIS_ADMIN_LISTEN`.
    #[must_use]
    pub fn with_admin_listen(mut self, address: SocketAddr) -> Self {
        self.admin_listen = Some(address);
        self
    }

    /// The largest body of a request in bytes; [`BODY_MAX_DEFAULT`] otherwise. What the bus takes is a limit of its own.
    #[must_use]
    pub fn with_body_max(mut self, bytes: usize) -> Self {
        self.body_max = bytes;
        self
    }

    /// The request headers that tasks see, in place of the usual ones: `accept-language`, `if-match`, `if-none-match`,
    /// `if-modified-since`, `if-unmodified-since`, `prefer` and `x-request-id`.
    #[must_use]
    pub fn with_forwarded_headers<N: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = N>,
    ) -> Self {
        self.forwarded = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Serves whatever services are on the bus as well, as they come and go; off without this, and on in the binary.
    ///
    /// What is linked in or configured wins over what is found. A service that is wrong, or wants what another has, is
    /// not served: `/_routes` shows it under `quarantined` with its reason. The gateway is ready when it has heard
    /// everybody who was there at its start.
    #[must_use]
    pub fn with_discovery(mut self) -> Self {
        self.is_discovering = true;
        self
    }

    /// How often services are asked what they serve, which finds what announcements missed;
    /// 10 seconds otherwise, give or take a tenth. `METROPOLIS_DISCOVERY_INTERVAL`.
    #[must_use]
    pub fn with_discovery_interval(mut self, interval: Duration) -> Self {
        self.discovery_interval = interval;
        self
    }

    /// The key-value bucket of JetStream that configuration is read from, under the key `gateway`; `metropolis` otherwise.
    /// Nothing happens where there is none. `METROPOLIS_BUCKET`.
    #[must_use]
    pub fn with_bucket(mut self, name: impl Into<String>) -> Self {
        self.bucket = Some(name.into());
        self
    }

    /// Reads no configuration from a bucket. `METROPOLIS_BUCKET`, when it is empty.
    #[must_use]
    pub fn without_bucket(mut self) -> Self {
        self.bucket = None;
        self
    }

    /// Counts no requests, and answers no `/metrics`. `METROPOLIS_METRICS`.
    #[must_use]
    pub fn without_metrics(mut self) -> Self {
        self.metrics = false;
        self
    }

    /// Listens to what clients say of traces: `traceparent`, `tracestate` and `baggage` go along, and a trace that a client
    /// records is recorded here. Otherwise only while the public address is one of the loopback. `METROPOLIS_TRUST_TRACE`.
    #[must_use]
    pub fn with_trusted_traces(mut self) -> Self {
        self.trusts_traces = Some(true);
        self
    }

    /// Listens to no client's word on traces, on the loopback neither: each request begins a trace of its own.
    /// `METROPOLIS_TRUST_TRACE`.
    #[must_use]
    pub fn without_trusted_traces(mut self) -> Self {
        self.trusts_traces = Some(false);
        self
    }

    /// Answers no `/docs`, the page about the routes. `METROPOLIS_DOCS`.
    #[must_use]
    pub fn without_docs(mut self) -> Self {
        self.docs = false;
        self
    }

    /// Answers no `/_console`, the page about what runs, how well, and who calls whom; otherwise it is where the
    /// administrative paths are. `METROPOLIS_CONSOLE`.
    #[must_use]
    pub fn without_console(mut self) -> Self {
        self.console = false;
        self
    }

    /// A route to a responder that announces nothing, beside those there are.
    #[must_use]
    pub fn with_route(mut self, route: StaticRoute) -> Self {
        self.fixed.push(route);
        self
    }

    /// How long a stop may take; 25 seconds otherwise. `METROPOLIS_STOP_TIMEOUT`.
    #[must_use]
    pub fn with_stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    /// How many threads serve connections, each with a connection to the bus; as many as there are cores otherwise, and
    /// eight at most. A gateway on the embedded bus, or on a runtime of one thread, has none unless it is told how many: that
    /// runtime serves them. `METROPOLIS_THREADS`.
    #[must_use]
    pub fn with_threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Lets a thread sleep as soon as it has nothing to do. Otherwise one of the [threads](Self::with_threads) stays awake for
    /// up to 200 µs when the only request it has waits for an answer, which is there sooner then, for more processor time.
    /// `METROPOLIS_BUSY_POLL`.
    #[must_use]
    pub fn without_busy_poll(mut self) -> Self {
        self.busy_polls = false;
        self
    }

    /// What this gateway must be allowed on its NATS server, and the workers of the same process with it, on the
    /// connection they share. Uses no bus.
    ///
    /// The subjects of its own routes are known. Those of services that are only found on the bus are not: name them as
    /// tasks declare them, `users.{id}.get`, or with all below, `users.>`. Services that are not named are found and
    /// not reached. Without [discovery](Self::with_discovery) the names count for nothing.
    ///
    /// Answers come to `_INBOX_gateway.>`, as on every connection made for the role `gateway`.
    ///
    /// # Errors
    /// With every conflict between tasks and routes, or every subject that cannot be permitted.
    pub fn permissions(&self, discovered: &[String]) -> Result<Permissions, Problems> {
        let own = site::own(&Catalog::linked()?, &self.fixed)?;
        let mut permissions = permissions::alone(&own);
        if self.is_discovering {
            permissions = permissions::with_discovery(permissions, discovered)?;
        }
        if let Some(bucket) = &self.bucket {
            permissions = permissions::with_bucket(permissions, bucket)?;
        }
        if self.console {
            permissions = permissions::with_console(permissions);
        }
        for worker in &self.workers {
            permissions = permissions.with(worker.permissions()?);
        }
        Ok(permissions)
    }

    /// Answers until the process is told to stop (SIGTERM or ctrl-c). The gateway stops first, then its workers, so that
    /// every request that was taken is answered.
    ///
    /// # Errors
    /// When it could not start.
    pub async fn run(self) -> Result<(), RunError> {
        self.run_until(stop_signal()).await
    }

    /// Answers until `stop` is ready. Installs no signal handling.
    ///
    /// # Errors
    /// As [`Gateway::run`].
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        self.run_while(async |_| stop.await).await
    }

    /// Answers for as long as `work` takes, which may change what the gateway serves meanwhile. Installs no signal handling.
    ///
    /// # Errors
    /// As [`Gateway::run`].
    pub async fn run_while(self, work: impl AsyncFnOnce(&RunningGateway)) -> Result<(), RunError> {
        let running = self
            .start()
            .await
            .inspect_err(|_| metropolis::log::flush())?;
        work(&running).await;
        running.stop().await;
        metropolis::telemetry::flush().await;
        Ok(())
    }

    /// Starts the workers and then listening, and returns.
    ///
    /// # Errors
    /// With every mistake in the tasks, or when a worker cannot start or an address cannot be listened on.
    pub async fn start(self) -> Result<RunningGateway, StartError> {
        start::gateway(self).await
    }

    /// Starts the workers and no listener, for an axum application that has one: see [`Mounted::router`].
    ///
    /// # Errors
    /// As [`Gateway::start`], listening apart.
    pub async fn mount(self) -> Result<Mounted, StartError> {
        start::mount(self).await
    }

    /// Starts the workers and no listener: requests are handed over as values and go the way they always go.
    ///
    /// ```standalone_crate
    /// # #[metropolis::task(subject = "text.reverse")]
    /// # async fn reverse(text: String) -> String { text.chars().rev().collect() }
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use metropolis::{Bus, Worker};
    /// use metropolis_gateway::Gateway;
    ///
    /// let bus = Bus::embedded();
    /// let app = Gateway::new(bus.clone()).with_worker(Worker::new(bus)).in_process().await?;
    /// let response = app.post("/text/reverse", "abc").await;
    /// assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"\"cba\""[..]));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Gateway::start`], listening apart.
    pub async fn in_process(self) -> Result<InProcess, StartError> {
        start::in_process(self).await
    }
}

fn alone() -> Problems {
    let problem = Problem::new("a gateway alone on the embedded bus reaches nobody").help(
        "set METROPOLIS_NATS_URL to a server that workers reach, or run one in this process (`metropolis_gateway::run()`)",
    );
    Problems(vec![problem])
}
