//! Site: everything the gateway answers, and the way of one request through it.
//!
//! The routes of the tasks and the gateway's own paths stand in one table, so that both have the same rules for paths
//! and methods. No sockets here: a listener and a test come in by the same door.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::Body;
use metropolis::catalog::{Catalog, Problem, Problems};
use metropolis::live::{Bucket, GATEWAY_KEY};
use metropolis::telemetry::{BusFigures, Exposition, TaskFigures};
use metropolis::wire::Headers;
use metropolis::{Bus, Client, RunningWorker};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::base::{Base, Configuration};
use self::board::Board;
use self::figures::GatewayFigures;
use self::follow::follow;
use self::live::Live;
use self::own::Asked;
use self::readiness::Readiness;
use self::routes::{Routes, Target};
use crate::access::Passage;
use crate::admin::{self, OwnPaths, Pages};
use crate::busy_poll::BusyPoll;
use crate::console::{About, Console};
use crate::fixed::{self, StaticRoute};
use crate::forward::{BodyMax, Forwarding, forward};
use crate::metrics::Metrics;
use crate::operation::Operation;
use crate::status::Refusal;
use crate::table::canonical;
use crate::{discovery, head, operation, traced};

mod base;
mod board;
mod figures;
mod follow;
mod live;
mod own;
mod readiness;
mod routes;

/// Which listener a request came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Public,
    Admin,
}

/// Everything that is answered, now and as it changes.
#[derive(Debug)]
pub(crate) struct Site {
    board: Arc<Board>,
    forwarding: Forwarding,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    exposition: Option<Arc<Exposition>>,
    workers: Arc<OnceLock<TaskFigures>>,
    console: Arc<Console>,
    /// What the routes are made of, apart from what is on the bus.
    base: Arc<watch::Sender<Arc<Base>>>,
    /// What keeps the routes in step; it ends with the last sibling.
    watching: Arc<JoinSet<()>>,
}

/// What a site is made of beside its tasks.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) bus: Bus,
    pub(crate) body_max: usize,
    pub(crate) headers: Vec<HeaderName>,
    /// Whether administrative paths are answered to everybody who reaches the public listener.
    pub(crate) is_local: bool,
    /// The address of the public listener, where there is one.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) pages: Pages,
    pub(crate) fixed: Vec<StaticRoute>,
    /// How often services on the bus are asked; `None` where they are not looked for.
    pub(crate) discovery: Option<Duration>,
    /// Where configuration is read from while the gateway runs.
    pub(crate) bucket: Option<Bucket>,
    /// Whether requests are counted and `/metrics` is answered.
    pub(crate) metrics: bool,
    /// Whether clients are listened to in what they say of traces.
    pub(crate) trusts_traces: bool,
}

impl Site {
    /// Makes the site of a catalog, and begins to watch for what changes it, inside a runtime.
    ///
    /// # Errors
    /// When a task has a path that is the gateway's own, or a configured route is wrong.
    pub(crate) fn new(catalog: &Catalog, plan: Plan) -> Result<Self, Problems> {
        let metrics = Arc::new(Metrics::default());
        let base = Arc::new(base(catalog, &plan, &metrics)?);
        let board = Arc::new(Board::new(Routes::alone(&base), plan.discovery.is_none()));
        let built = Arc::clone(&base);
        let (base, changes) = watch::channel(base);
        let base = Arc::new(base);
        let body_max = BodyMax::new(plan.body_max);
        let workers = Arc::default();
        let shown = plan.metrics.then(|| {
            let gateway = GatewayFigures {
                metrics: Arc::clone(&metrics),
                board: Arc::clone(&board),
            };
            exposition(gateway, &plan.bus, &workers)
        });
        let mut watching = JoinSet::new();
        let seen = plan
            .discovery
            .map(|interval| discovery::watch_bus(plan.bus.clone(), interval, &mut watching));
        watching.spawn(follow(built, changes, Arc::clone(&board), seen));
        if let Some(bucket) = plan.bucket {
            let live = Live {
                bus: plan.bus.clone(),
                own_body_max: plan.body_max,
                body_max: body_max.clone(),
                base: Arc::clone(&base),
            };
            watching.spawn(live.follow(bucket.follow(GATEWAY_KEY)));
        }
        let about = About {
            version: env!("CARGO_PKG_VERSION"),
            is_discovering: plan.discovery.is_some(),
            has_docs: plan.pages.docs,
            address: plan.address,
        };
        Ok(Self {
            console: Arc::new(Console::new(plan.bus.clone(), about)),
            readiness: Arc::new(Readiness::new(plan.bus.clone(), Arc::clone(&board))),
            board,
            metrics,
            exposition: shown.map(Arc::new),
            workers,
            forwarding: Forwarding {
                client: Client::new(plan.bus.clone()),
                bus: plan.bus,
                body_max,
                headers: plan.headers,
                trusts_traces: plan.trusts_traces,
                busy_poll: None,
            },
            base,
            watching: Arc::new(watching),
        })
    }

    /// The same site for another thread, with a connection to the bus of its own, or this one's if there is none to be
    /// had. That thread may stay awake while it waits.
    pub(crate) async fn sibling(&self, busy_poll: Option<Arc<BusyPoll>>) -> Self {
        let bus = match self.forwarding.bus.sibling().await {
            Ok(bus) => bus,
            Err(error) => {
                tracing::warn!(%error, "a thread of the gateway shares its connection with others");
                self.forwarding.bus.clone()
            }
        };
        Self {
            board: Arc::clone(&self.board),
            forwarding: self.forwarding.over(bus, busy_poll),
            readiness: Arc::clone(&self.readiness),
            base: Arc::clone(&self.base),
            metrics: Arc::clone(&self.metrics),
            exposition: self.exposition.clone(),
            workers: Arc::clone(&self.workers),
            console: Arc::clone(&self.console),
            watching: Arc::clone(&self.watching),
        }
    }

    /// Puts other configured routes in the place of those there are. Services that are in their way are quarantined, as at
    /// the start.
    ///
    /// # Errors
    /// With every route that is wrong, or that a linked task has; then all stays as it is.
    pub(crate) fn set_fixed(&self, fixed: Vec<StaticRoute>) -> Result<(), Problems> {
        let linked = self.base.borrow().linked.clone();
        let own = fixed::beside(linked, &fixed)?;
        self.base.send_modify(|base| {
            fixed::say_changes(&base.fixed, &fixed);
            let mut next = Base::clone(base);
            (next.own, next.fixed) = (own, fixed);
            *base = Arc::new(next);
        });
        Ok(())
    }

    /// Whether whoever answers is in this process as well.
    pub(crate) fn is_within_this_process(&self) -> bool {
        self.forwarding.bus.is_embedded()
    }

    /// Whether the gateway is stopping; it says not ready from the beginning of that.
    pub(crate) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Shows what the workers of this process count as well. Asked once, before the first request.
    pub(crate) fn show(&self, workers: &[RunningWorker]) {
        let figures = workers.iter().map(RunningWorker::figures);
        let _ = self.workers.set(TaskFigures::merged(figures));
    }

    /// Answers a request. Never fails: what goes wrong is an answer as well.
    pub(crate) async fn respond<B: Body<Data = Bytes> + Unpin>(
        &self,
        side: Side,
        head: &Parts,
        body: &mut B,
    ) -> Response<Bytes> {
        // This request keeps these routes to its end, whatever is swapped in meanwhile.
        let routes = self.board.routes();
        let mut passage = self.begin(head);
        let answer = self.answer(&routes, side, head, body, &mut passage).await;
        let response = match answer {
            Ok(response) => response,
            Err((refusal, allow)) => refused(refusal, allow, &mut passage),
        };
        passage.end(response.status());
        if head.method == Method::HEAD {
            without_body(response)
        } else {
            response
        }
    }

    /// Answers a request that cannot be looked at any further.
    pub(crate) fn refuse(&self, head: &Parts, refusal: Refusal) -> Response<Bytes> {
        let mut passage = self.begin(head);
        let response = refused(refusal, None, &mut passage);
        passage.end(response.status());
        response
    }

    /// What is done to count, trace and log a request to a task, without the request.
    pub(crate) fn observe(&self, head: &Parts) {
        let mut passage = self.begin(head);
        passage.on_route(self.metrics.unrouted());
        passage.reaches("task");
        let trace = passage.trace().clone();
        let trusted = self.forwarding.trusts_traces.then_some(&head.headers);
        traced::pass_on(&trace, trusted, false, &mut Headers::new());
        passage.by(None);
        passage.end(StatusCode::OK);
    }

    fn begin(&self, head: &Parts) -> Passage<'_> {
        let (is_counted, trusts) = (self.exposition.is_some(), self.forwarding.trusts_traces);
        Passage::begin(&self.metrics, is_counted, head, trusts)
    }

    /// The answer, or why there is none, with the methods of the path where it has any.
    async fn answer<'r, B: Body<Data = Bytes> + Unpin>(
        &self,
        routes: &'r Arc<Routes>,
        side: Side,
        head: &Parts,
        body: &mut B,
        passage: &mut Passage<'r>,
    ) -> Result<Response<Bytes>, (Refusal, Option<&'r HeaderValue>)> {
        let of_no_path = |refusal| (refusal, None);
        head::check(head).map_err(of_no_path)?;
        let path = canonical(head.uri.path()).map_err(|error| of_no_path(error.into()))?;
        let table = match side {
            Side::Public => &routes.public,
            Side::Admin => &routes.admin,
        };
        let found = table
            .find(&path)
            .map_err(|error| of_no_path(error.into()))?;
        let found = found.ok_or((Refusal::NotFound, None))?;
        let allow = found.methods.allow();
        let target = found.methods.get(&head.method);
        if let Some(target) = target.or_else(|| found.methods.any()) {
            passage.on_route(target.meter());
        }
        let answer = match target {
            Some(Target::Task(task)) => {
                passage.reaches(task.name());
                forward(&self.forwarding, task, &found.values, head, body, passage).await
            }
            Some(Target::BuiltIn(path, _)) => {
                passage.stays_here();
                let asked = Asked { side, routes, head };
                self.say(*path, asked, body).await
            }
            None if head.method == Method::OPTIONS => Ok(options(allow)),
            None => Err(Refusal::Method),
        };
        answer.map_err(|refusal| (refusal, Some(allow)))
    }
}

fn refused(
    refusal: Refusal,
    allow: Option<&HeaderValue>,
    passage: &mut Passage<'_>,
) -> Response<Bytes> {
    passage.fails(refusal.code());
    refusal.into_response(allow, passage.trace().trace_id())
}

fn exposition(
    gateway: GatewayFigures,
    bus: &Bus,
    workers: &Arc<OnceLock<TaskFigures>>,
) -> Exposition {
    Exposition::new()
        .with(gateway)
        .with(BusFigures::new(bus.clone(), None))
        .with(WorkerFigures(Arc::clone(workers)))
}

/// What the workers of this process count, once they run.
#[derive(Debug)]
struct WorkerFigures(Arc<OnceLock<TaskFigures>>);

impl Collector for WorkerFigures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.get().map_or(Ok(()), |tasks| tasks.encode(encoder))
    }
}

/// What routes are made of at the start.
///
/// # Errors
/// As [`Site::new`].
fn base(catalog: &Catalog, plan: &Plan, metrics: &Arc<Metrics>) -> Result<Base, Problems> {
    check_reserved(catalog)?;
    let linked = operation::linked(catalog.entries());
    Ok(Base {
        own: fixed::beside(linked.clone(), &plan.fixed)?,
        linked,
        fixed: plan.fixed.clone(),
        paths: OwnPaths::of(plan.pages, plan.is_local),
        metrics: Arc::clone(metrics),
        configuration: Configuration {
            body_max: plan.body_max,
            ..Configuration::default()
        },
    })
}

/// What is served whoever is on the bus: the linked tasks and the configured routes.
///
/// # Errors
/// As [`Site::new`].
pub(crate) fn own(
    catalog: &Catalog,
    fixed: &[StaticRoute],
) -> Result<Vec<Arc<Operation>>, Problems> {
    check_reserved(catalog)?;
    fixed::beside(operation::linked(catalog.entries()), fixed)
}

fn check_reserved(catalog: &Catalog) -> Result<(), Problems> {
    let problems = catalog.entries().iter().filter_map(|entry| {
        let route = entry
            .route
            .as_ref()
            .filter(|route| admin::is_reserved(route))?;
        let problem = Problem::new(format!(
            "the path of the route `{route}` is the gateway's own"
        ));
        let help = "give the task another route: `http = \"METHOD /path\"`, or `http = \"none\"`";
        Some(problem.at(entry.meta()).help(help))
    });
    Problems(problems.collect()).check()
}

fn options(allow: &HeaderValue) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, allow.clone());
    response
}

/// The answer to `HEAD`: the length stays, the body does not.
fn without_body(mut response: Response<Bytes>) -> Response<Bytes> {
    let length = response.body().len();
    if !matches!(
        response.status(),
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    ) {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    *response.body_mut() = Bytes::new();
    response
}

#[cfg(test)]
pub(crate) mod tests;
