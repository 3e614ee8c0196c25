//! What `main` calls: settings from the environment, the bus they name, and a worker on it.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::bus::{Bus, ConnectError, NatsOptions};
use crate::config::{ConfigError, Settings};
use crate::health::Health;
use crate::worker::{StartError, Worker};

/// Why a process that runs a worker, a gateway or both ended with an error.
///
/// `Debug` prints the same text as `Display`, because that is what Rust shows of an error that `main` returns.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A setting cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The bus was not reached.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// The address for health cannot be listened on.
    #[error("cannot listen on {address} for health: {source}")]
    Health {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The worker could not start.
    #[error("{0}")]
    Start(#[from] StartError),
    /// The gateway could not start.
    #[error("cannot start the gateway: {0}")]
    Gateway(String),
}

impl fmt::Debug for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Serves every linked task that has a body, on the bus the environment names, until SIGTERM or ctrl-c.
///
/// With `METROPOLIS_INTERNAL_NATS_URL` it serves on a second bus as well, between workers alone.
/// With `METROPOLIS_ADMIN_LISTEN` it answers `/healthz`, `/readyz` and `/metrics` there, from before the bus is reached.
///
/// Needs `METROPOLIS_NATS_URL`: a worker alone on the embedded bus serves nobody. Logs to standard error unless the
/// application has installed a `tracing` subscriber.
///
/// # Errors
/// When a setting is malformed, the bus is not reached, or the worker cannot start.
pub async fn run() -> Result<(), RunError> {
    let settings = Settings::from_env()?;
    crate::telemetry::start(&settings);
    let served = serve(&settings).await;
    crate::telemetry::flush().await;
    served
}

async fn serve(settings: &Settings) -> Result<(), RunError> {
    let health = match settings.admin_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let bus = connect(settings, "worker").await?;
    let mut worker = Worker::configured(bus, settings);
    if let Some(internal_bus) = connect_internal(settings, "worker").await? {
        worker = worker.with_internal_bus(internal_bus);
    }
    if let Some(health) = health {
        worker = worker.with_health(health);
    }
    worker.run().await?;
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<Health, RunError> {
    let failed = |source| RunError::Health { address, source };
    Health::listen(address).await.map_err(failed)
}

/// Starts the log and connects to the bus that the settings name: NATS when there is a URL, the embedded one otherwise.
///
/// `role` is part of the connection's name and of its inbox: `worker`, `gateway`, `client`.
///
/// # Errors
/// When the URL is malformed, the server refuses, or none is there in time. Never falls back to the embedded bus.
pub async fn connect(settings: &Settings, role: &str) -> Result<Bus, ConnectError> {
    crate::telemetry::start(settings);
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    match &settings.nats_url {
        Some(url) => Bus::connect(options(url, settings, role)).await,
        None => Ok(Bus::embedded()),
    }
}

/// Connects to the second bus that the settings name, the one between workers; `None` when they name none.
///
/// # Errors
/// As [`connect`].
pub async fn connect_internal(
    settings: &Settings,
    role: &str,
) -> Result<Option<Bus>, ConnectError> {
    match &settings.internal_nats_url {
        Some(url) => Bus::connect(options(url, settings, role)).await.map(Some),
        None => Ok(None),
    }
}

fn options(url: &str, settings: &Settings, role: &str) -> NatsOptions {
    let mut options = NatsOptions::new(url, role);
    options.connect_timeout = settings.connect_timeout;
    options.security = settings.nats_security.clone();
    options
}
