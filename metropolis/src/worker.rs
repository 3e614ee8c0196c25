//! Worker: subscribes the tasks it serves, bounds them, answers every request once, and stops without losing one.
//!
//! One loop per task, so that a slow one holds up no other. Payload bytes pass through untouched; what is in them is
//! the task's affair.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bus::{Bus, SubscribeError};
use crate::catalog::{Catalog, Entry, Problem, Problems};
use crate::config::{STOP_TIMEOUT_DEFAULT, Settings};
use crate::context::Provisions;
use crate::dispatch::Dispatch;
use crate::replies::ReplyRule;
use crate::service::{self, Breaking, Counts, Identity, Offer, Presence};
use crate::spec::TaskSpec;
use crate::task::Served;

mod lane;
mod pace;
mod signals;

use lane::{Lane, Shared};
pub use signals::stop_signal;

/// What a worker still does for its replies after the last call ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves tasks on a bus.
///
/// ```no_run
/// # struct Database;
/// # async fn example(bus: metropolis::Bus) -> Result<(), metropolis::worker::StartError> {
/// metropolis::Worker::new(bus).provide(Database).run().await
/// # }
/// ```
pub struct Worker {
    bus: Bus,
    provisions: Provisions,
    chosen: Option<Vec<TaskSpec>>,
    service: Option<String>,
    stop_timeout: Duration,
    reply_prefixes: Vec<String>,
    allow_breaking: bool,
}

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Mistakes in the tasks, or in what they were given; all of them.
    #[error("cannot start the worker: {0}")]
    Problems(#[from] Problems),
    /// A task could not be subscribed.
    #[error("cannot start the worker: the subject `{subject}` was not subscribed")]
    Subscribe {
        /// The task's subject.
        subject: String,
        /// What the bus said.
        source: SubscribeError,
    },
    /// Callers of what is in service would break; [`Worker::with_allow_breaking`] starts it in spite of that.
    #[error("cannot start the worker: {0}")]
    Breaking(#[from] Breaking),
    /// The subjects of discovery could not be subscribed.
    #[error("cannot start the worker: the subjects of discovery were not subscribed")]
    Discovery(#[source] SubscribeError),
}

impl Worker {
    /// A worker that serves every linked task with a body.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        Self {
            provisions: Provisions::new(bus.clone()),
            bus,
            chosen: None,
            service: None,
            stop_timeout: STOP_TIMEOUT_DEFAULT,
            reply_prefixes: Vec::new(),
            allow_breaking: false,
        }
    }

    /// A worker as the environment wants it.
    #[must_use]
    pub fn configured(bus: Bus, settings: &Settings) -> Self {
        Self {
            service: settings.service.clone(),
            stop_timeout: settings.stop_timeout,
            reply_prefixes: settings.reply_prefixes.clone(),
            allow_breaking: settings.allow_breaking,
            ..Self::new(bus)
        }
    }

    /// Provides a value to every task that takes a reference to its type. One value per type.
    #[must_use]
    pub fn provide<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.provisions.add(value);
        self
    }

    /// Serves this task, and no other than those named so.
    #[must_use]
    pub fn serve<T: Served>(self) -> Self {
        self.serve_spec(TaskSpec::of::<T>())
    }

    /// Serves a task by its record, which may have been changed: its subject, its limits.
    #[must_use]
    pub fn serve_spec(mut self, spec: TaskSpec) -> Self {
        self.chosen.get_or_insert_default().push(spec);
        self
    }

    /// Names the service; the package of the tasks otherwise. `METROPOLIS_SERVICE`.
    #[must_use]
    pub fn with_service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// How long a stop may wait for running calls; 25 seconds otherwise. `METROPOLIS_STOP_TIMEOUT`.
    #[must_use]
    pub fn with_stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    /// Also answers to reply subjects that start so; to `_INBOX…` and `_R_…` otherwise. `METROPOLIS_REPLY_PREFIXES`.
    #[must_use]
    pub fn with_reply_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.reply_prefixes.push(prefix.into());
        self
    }

    /// Starts even if callers of the contracts in service would break; refuses otherwise. `METROPOLIS_ALLOW_BREAKING`.
    #[must_use]
    pub fn with_allow_breaking(mut self) -> Self {
        self.allow_breaking = true;
        self
    }

    /// Serves until the process is told to stop (SIGTERM or ctrl-c), then drains.
    ///
    /// # Errors
    /// When it could not start. On the embedded bus it cannot: nobody else is on it.
    pub async fn run(self) -> Result<(), StartError> {
        self.run_until(stop_signal()).await
    }

    /// Serves until `stop` is ready, then drains. Installs no signal handling.
    ///
    /// # Errors
    /// As [`Worker::run`].
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        if self.bus.is_embedded() {
            return Err(alone().into());
        }
        let running = self.start().await?;
        stop.await;
        running.stop().await;
        Ok(())
    }

    /// Starts serving and returns. The embedded bus is welcome here: whoever starts it so has the other side as well.
    ///
    /// # Errors
    /// With every mistake in the tasks and in what they were given, when callers of what is in service would break, or
    /// when a subject could not be subscribed.
    pub async fn start(self) -> Result<RunningWorker, StartError> {
        let catalog = self.catalog()?;
        let served: Vec<Entry> = catalog.served().cloned().collect();
        self.check(&served)?;
        let identity = self.identity(&served)?;
        let offers: Vec<Offer> = served.iter().map(Offer::of).collect();
        self.check_contracts(&offers).await?;
        let patterns = served.iter().map(|entry| entry.pattern.clone()).collect();
        let (abort, aborted) = watch::channel(false);
        let (leave, leaving) = watch::channel(None);
        let shared = Arc::new(Shared {
            bus: self.bus.clone(),
            instance: identity.id.as_str().into(),
            replies: Arc::new(ReplyRule::new(self.reply_prefixes, patterns)?),
            leaving,
            aborted,
        });
        let provisions = Arc::new(self.provisions);
        let mut running = RunningWorker {
            service: identity.name.clone(),
            presence: None,
            lanes: Vec::new(),
            loops: JoinSet::new(),
            leave,
            abort,
            stop_timeout: self.stop_timeout,
            shared,
        };
        for (entry, offer) in served.into_iter().zip(&offers) {
            if let Some(dispatch) = Dispatch::new(entry, Arc::clone(&provisions)) {
                running.add(dispatch, Arc::clone(offer.counts())).await?;
            }
        }
        running.appear(&identity, offers).await?;
        running.say_hello();
        Ok(running)
    }

    fn catalog(&self) -> Result<Catalog, Problems> {
        match &self.chosen {
            Some(specs) => Catalog::of(specs.iter().copied()),
            None => Catalog::linked(),
        }
    }

    /// The service is the package that holds the tasks; of several, the one that holds the first.
    fn identity(&self, served: &[Entry]) -> Result<Identity, Problems> {
        let origin = served.first().map(|entry| entry.meta().origin);
        let (package, version) = origin.map_or(("", ""), |origin| (origin.package, origin.version));
        let name = self.service.as_deref().unwrap_or(package);
        service::identity(name, &crate::bus::random_token(), version)
            .map_err(|problem| Problems(vec![problem]))
    }

    /// A worker on the embedded bus serves one process, which has one contract of each task.
    async fn check_contracts(&self, offers: &[Offer]) -> Result<(), Breaking> {
        if self.bus.is_embedded() {
            return Ok(());
        }
        match service::compare_with_service(&self.bus, offers).await {
            Err(breaking) if self.allow_breaking => {
                tracing::warn!("METROPOLIS_ALLOW_BREAKING is set: {breaking}");
                Ok(())
            }
            compared => compared,
        }
    }

    fn check(&self, served: &[Entry]) -> Result<(), Problems> {
        let mut problems = Vec::new();
        if served.is_empty() {
            problems.push(no_tasks());
        }
        problems.extend(self.provisions.doubled().iter().map(|name| doubled(name)));
        problems.extend(missing(served, &self.provisions));
        Problems(problems).check()
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("service", &self.service)
            .field("bus", &self.bus)
            .finish_non_exhaustive()
    }
}

/// A worker that serves. Stop it with [`RunningWorker::stop`]; dropping it abandons what runs.
pub struct RunningWorker {
    service: String,
    presence: Option<Presence>,
    lanes: Vec<Arc<Lane>>,
    loops: JoinSet<()>,
    leave: watch::Sender<Option<Instant>>,
    abort: watch::Sender<bool>,
    stop_timeout: Duration,
    shared: Arc<Shared>,
}

impl RunningWorker {
    async fn add(&mut self, dispatch: Dispatch, counts: Arc<Counts>) -> Result<(), StartError> {
        let lane = Lane::new(dispatch, counts, Arc::clone(&self.shared));
        let entry = lane.entry();
        let filter = entry.pattern.filter();
        let subscription = self
            .shared
            .bus
            .subscribe(&filter, Some(&entry.queue), lane.capacity());
        let subscription = subscription.await.map_err(|source| StartError::Subscribe {
            subject: entry.meta().subject.to_owned(),
            source,
        })?;
        self.lanes.push(Arc::clone(&lane));
        self.loops.spawn(lane.serve(subscription));
        Ok(())
    }

    /// Shows this worker to the network, now that it serves.
    async fn appear(&mut self, identity: &Identity, offers: Vec<Offer>) -> Result<(), StartError> {
        let replies = Arc::clone(&self.shared.replies);
        let presence = Presence::begin(&self.shared.bus, replies, identity, offers).await;
        self.presence = Some(presence.map_err(StartError::Discovery)?);
        Ok(())
    }

    /// The name of the service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The id of this worker, unique among all.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.shared.instance
    }

    /// Stops: takes no new requests, finishes and answers what was accepted, within the stop timeout.
    ///
    /// What still runs when the time is up is answered with a 503 and dropped, so that nobody waits in vain.
    pub async fn stop(mut self) {
        let deadline = Instant::now() + self.stop_timeout;
        tracing::info!(
            service = self.service,
            "the worker stops: it finishes what it has accepted"
        );
        // Whoever routes to this worker hears of it first, and looks for another while this one drains.
        if let Some(presence) = &mut self.presence {
            presence.leave(deadline).await;
        }
        let _ = self.leave.send(Some(deadline));
        if !self.idle_by(deadline).await {
            tracing::warn!(
                service = self.service,
                "the stop timeout is over: running calls are answered with a 503"
            );
            let _ = self.abort.send(true);
            self.idle_by(Instant::now() + LAST_WORDS).await;
        }
        let _ = self.shared.bus.fence(Instant::now() + LAST_WORDS).await;
    }

    /// Waits for the end of every subscription and of every call.
    async fn idle_by(&mut self, deadline: Instant) -> bool {
        let everything = async {
            while self.loops.join_next().await.is_some() {}
            for lane in &self.lanes {
                lane.idle().await;
            }
            if let Some(presence) = &mut self.presence {
                presence.ended().await;
            }
        };
        tokio::time::timeout_at(deadline.into(), everything)
            .await
            .is_ok()
    }

    fn say_hello(&self) {
        let bus = if self.shared.bus.is_embedded() {
            "the embedded bus"
        } else {
            "NATS"
        };
        tracing::info!(
            service = self.service,
            instance = &*self.shared.instance,
            "the worker serves {} tasks on {bus}",
            self.lanes.len()
        );
    }
}

impl fmt::Debug for RunningWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningWorker")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

fn alone() -> Problems {
    let problem = Problem::new("a worker alone on the embedded bus serves nobody").help(
        "run the gateway in this process (`metropolis_gateway::run()`), or set METROPOLIS_NATS_URL to a server that both reach",
    );
    Problems(vec![problem])
}

fn no_tasks() -> Problem {
    Problem::new("no tasks are linked into this binary").help(
        "a crate that is only listed in Cargo.toml, this package's own library included, is not linked; \
         name it once: `use my_tasks as _;`",
    )
}

fn doubled(name: &str) -> Problem {
    Problem::new(format!("two values of the type `{name}` are provided"))
        .help("provide one; give the other a type of its own")
}

/// One problem per missing type, naming every task that needs it.
fn missing(served: &[Entry], provisions: &Provisions) -> Vec<Problem> {
    let mut problems: Vec<(&str, Problem)> = Vec::new();
    for entry in served {
        for need in entry
            .meta()
            .needs
            .iter()
            .filter(|need| !provisions.has(need.id))
        {
            let name = (need.name)();
            match problems.iter_mut().find(|(known, _)| *known == name) {
                Some((_, problem)) => *problem = problem.clone().at(entry.meta()),
                None => problems.push((name, not_provided(name).at(entry.meta()))),
            }
        }
    }
    problems.into_iter().map(|(_, problem)| problem).collect()
}

fn not_provided(name: &str) -> Problem {
    Problem::new(format!("nothing provides `{name}`"))
        .help("give the worker one: `.provide(value)`")
}
