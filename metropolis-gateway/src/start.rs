//! Start and stop: in which order listeners, workers and connections come and go.
//!
//! An address is bound before anything else, as the likeliest thing to fail; the workers subscribe before the first
//! request can arrive; and a stop goes the other way round, so that every request that was taken is still answered.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderName;
use metropolis::catalog::{Catalog, Problem, Problems};
use metropolis::listing::Listing;
use metropolis::live::Bucket;
use metropolis::{RunError, RunningWorker, worker};
use tokio::net::TcpListener;

use crate::Gateway;
use crate::admin::Pages;
use crate::fixed::StaticRoute;
use crate::forward::{check_forwarded, forwarded_by_default};
use crate::mount::Mounted;
use crate::server::{self, Server};
use crate::site::{Plan, Side, Site};
use crate::testing::InProcess;
use crate::workers;

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Mistakes in the tasks or in the settings; all of them.
    #[error("{0}")]
    Problems(#[from] Problems),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A worker of this process did not start.
    #[error(transparent)]
    Worker(#[from] worker::StartError),
    /// The system gave no threads to serve connections with.
    #[error("no threads to serve connections with: {0}")]
    Threads(#[source] io::Error),
}

impl From<StartError> for RunError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Worker(error) => Self::Start(error),
            error => Self::Gateway(error.to_string()),
        }
    }
}

/// A gateway that answers. Stop it with [`RunningGateway::stop`]; dropping it abandons what runs.
pub struct RunningGateway {
    site: Arc<Site>,
    server: Server,
    workers: Vec<RunningWorker>,
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    stop_timeout: Duration,
}

impl RunningGateway {
    /// The address really listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the administrative listener, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Puts other configured routes in the place of those this was started with. Requests under way keep theirs.
    ///
    /// # Errors
    /// With every route that is wrong, or that is there already; then all stays as it is.
    pub fn set_routes(&self, routes: Vec<StaticRoute>) -> Result<(), Problems> {
        self.site.set_fixed(routes)
    }

    /// The workers of this process.
    #[must_use]
    pub fn workers(&self) -> &[RunningWorker] {
        &self.workers
    }

    /// Stops: readiness says no at once, what was taken is answered, then the workers drain, all within the stop
    /// timeout.
    pub async fn stop(self) {
        tracing::info!("the gateway stops: it answers what it has taken");
        let deadline = Instant::now() + self.stop_timeout;
        self.server.stop(deadline).await;
        workers::stop(self.workers, deadline).await;
    }
}

impl fmt::Debug for RunningGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningGateway")
            .field("address", &self.address)
            .field("admin_address", &self.admin_address)
            .finish_non_exhaustive()
    }
}

pub(crate) async fn gateway(gateway: Gateway) -> Result<RunningGateway, StartError> {
    let catalog = Catalog::linked()?;
    let headers = forwarded(&gateway)?;
    let public = bind(gateway.listen)?;
    let admin = match gateway.admin_listen {
        Some(address) => Some(bind(address)?),
        None => None,
    };
    let (address, admin_address) = (public.1, admin.as_ref().map(|admin| admin.1));
    let is_local = address.ip().to_canonical().is_loopback();
    let plan = Plan {
        address: Some(address),
        ..plan(&gateway, headers, is_local)?
    };
    let site = Arc::new(Site::new(&catalog, plan)?);
    let workers = workers::start(gateway.workers).await?;
    site.show(&workers);
    let server = Server::start(Arc::clone(&site), gateway.threads, gateway.busy_polls).await;
    let mut server = server.map_err(StartError::Threads)?;
    server.listen(public.0, Side::Public);
    if let Some((listener, _)) = admin {
        server.listen(listener, Side::Admin);
    }
    if gateway.is_discovering {
        tracing::info!("services on the bus are served as they come and go");
    }
    say_hello(&catalog, address, admin_address);
    Ok(RunningGateway {
        site,
        server,
        workers,
        address,
        admin_address,
        stop_timeout: gateway.stop_timeout,
    })
}

pub(crate) async fn in_process(gateway: Gateway) -> Result<InProcess, StartError> {
    let stop_timeout = gateway.stop_timeout;
    let (site, workers) = without_listeners(gateway, true).await?;
    Ok(InProcess::new(site, workers, stop_timeout))
}

pub(crate) async fn mount(gateway: Gateway) -> Result<Mounted, StartError> {
    let stop_timeout = gateway.stop_timeout;
    let (site, workers) = without_listeners(gateway, false).await?;
    Ok(Mounted::new(site, workers, stop_timeout))
}

async fn without_listeners(
    gateway: Gateway,
    is_local: bool,
) -> Result<(Site, Vec<RunningWorker>), StartError> {
    let catalog = Catalog::linked()?;
    let headers = forwarded(&gateway)?;
    let site = Site::new(&catalog, plan(&gateway, headers, is_local)?)?;
    let workers = workers::start(gateway.workers).await?;
    site.show(&workers);
    Ok((site, workers))
}

fn plan(gateway: &Gateway, headers: Vec<HeaderName>, is_local: bool) -> Result<Plan, Problems> {
    Ok(Plan {
        bus: gateway.bus.clone(),
        body_max: gateway.body_max,
        headers,
        is_local,
        address: None,
        pages: Pages {
            docs: gateway.docs,
            console: gateway.console,
        },
        fixed: gateway.fixed.clone(),
        discovery: gateway.is_discovering.then_some(gateway.discovery_interval),
        metrics: gateway.metrics,
        trusts_traces: gateway.trusts_traces.unwrap_or(is_local),
        bucket: bucket(gateway)?,
    })
}

/// The bucket that is followed, if any: there is none on the embedded bus.
fn bucket(gateway: &Gateway) -> Result<Option<Bucket>, Problems> {
    let name = gateway.bucket.as_ref();
    let name = name.filter(|_| !gateway.bus.is_embedded());
    let bucket = name.map(|name| Bucket::new(gateway.bus.clone(), name));
    let problem = |why| {
        Problems(vec![
            Problem::new(why).help("`with_bucket`, or METROPOLIS_BUCKET"),
        ])
    };
    bucket.transpose().map_err(problem)
}

fn forwarded(gateway: &Gateway) -> Result<Vec<HeaderName>, Problems> {
    let Some(names) = &gateway.forwarded else {
        return Ok(forwarded_by_default());
    };
    let mut headers = Vec::new();
    let mut problems = Vec::new();
    for name in names {
        match check_forwarded(name) {
            Ok(header) => headers.push(header),
            Err(error) => problems.push(Problem::new(error)),
        }
    }
    Problems(problems).check()?;
    Ok(headers)
}

fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = server::listen(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn say_hello(catalog: &Catalog, address: SocketAddr, admin_address: Option<SocketAddr>) {
    if !catalog.entries().is_empty() {
        tracing::info!("the gateway's routes:\n{}", Listing::of(catalog));
    }
    if let Some(admin_address) = admin_address {
        tracing::info!("administrative paths on http://{admin_address}");
    }
    tracing::info!("listening on http://{address}");
}
