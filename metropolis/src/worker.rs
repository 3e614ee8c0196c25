//! Worker: subscribes the tasks it serves, bounds them, answers every request once, and stops without losing one.
//!
//! One loop per task, so that a slow one holds up no other. Payload bytes pass through untouched; what is in them is
//! the task's affair.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::bus::{Bus, SubscribeError};
use crate::catalog::{Catalog, Entry, Problem, Problems, no_tasks};
use crate::config::{BUCKET_DEFAULT, STOP_TIMEOUT_DEFAULT, Settings, check_bucket};
use crate::context::Provisions;
use crate::health::Health;
use crate::live::{Bucket, Setting, service_key, setting_key};
use crate::permissions::Permissions;
use crate::service::{self, Breaking, Identity, Offer};
use crate::spec::TaskSpec;
use crate::task::Served;
use crate::telemetry::BusFigures;

mod following;
mod lane;
mod live;
mod pace;
mod problems;
mod running;
mod side;
mod signals;
mod stand;

use following::Looked;
use live::Live;
use side::{Share, Side};

pub use live::ApplyError;
pub use running::RunningWorker;
pub use signals::stop_signal;

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
    internal_bus: Option<Bus>,
    provisions: Provisions,
    chosen: Option<Vec<TaskSpec>>,
    service: Option<String>,
    stop_timeout: Duration,
    reply_prefixes: Vec<String>,
    allow_breaking: bool,
    bucket: Option<String>,
    health: Option<Health>,
    metrics: bool,
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

impl From<ApplyError> for StartError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::NotServed { subject, source } => Self::Subscribe {
                subject: subject.to_owned(),
                source,
            },
            ApplyError::Refused(refusal) => {
                Self::Problems(Problems(vec![Problem::new(refusal.to_string())]))
            }
        }
    }
}

impl Worker {
    /// A worker that serves every linked task with a body.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        Self {
            provisions: Provisions::new(bus.clone()),
            bus,
            internal_bus: None,
            chosen: None,
            service: None,
            stop_timeout: STOP_TIMEOUT_DEFAULT,
            reply_prefixes: Vec::new(),
            allow_breaking: false,
            bucket: Some(BUCKET_DEFAULT.to_owned()),
            health: None,
            metrics: true,
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
            bucket: settings.bucket.clone(),
            metrics: settings.metrics,
            ..Self::new(bus)
        }
    }

    /// Also serves on a bus between workers, which no gateway is on. `METROPOLIS_INTERNAL_NATS_URL`.
    ///
    /// Tasks with `bus = "internal"` are served there alone, all others on both buses; each bus has its own places for a
    /// task, so that a crowd outside does not keep the inside waiting. Calls from inside a task go out over it.
    #[must_use]
    pub fn with_internal_bus(mut self, bus: Bus) -> Self {
        self.provisions.bus = bus.clone();
        self.internal_bus = Some(bus);
        self
    }

    /// Provides a value to every task that takes a reference to its type. One value per type.
    #[must_use]
    pub fn provide<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.provisions.add(value);
        self
    }

    /// Provides a setting to every task that takes a reference to its type: this value, until the bucket holds another
    /// under `setting.<service>.<key>`, and again when it does not any more.
    ///
    /// A call sees one value from its begin to its end. A document that does not fit the type is refused and logged, and the
    /// value stays. Values are logged as they change, so a setting is no place for a secret.
    #[must_use]
    pub fn follow<T: Setting>(mut self, value: T) -> Self {
        self.provisions.follow(value);
        self
    }

    /// The key-value bucket of JetStream that configuration is read from; `metropolis` otherwise. `METROPOLIS_BUCKET`.
    ///
    /// It is read on the bus this worker was made with, and nothing happens where there is none. The worker follows the
    /// keys `service.<service>` and, for [settings](Self::follow), `setting.<service>.<key>`; `docs/live.md` says what they hold.
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

    /// Lets this worker say whether it is ready, and show its metrics.
    #[must_use]
    pub fn with_health(mut self, health: Health) -> Self {
        self.health = Some(health);
        self
    }

    /// Measures no durations, and shows no metrics where it tells its [health](Self::with_health). `METROPOLIS_METRICS`.
    #[must_use]
    pub fn without_metrics(mut self) -> Self {
        self.metrics = false;
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
            return Err(problems::alone().into());
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
    pub async fn start(mut self) -> Result<RunningWorker, StartError> {
        let catalog = self.catalog()?;
        let served: Vec<Entry> = catalog.served().cloned().collect();
        self.check(&served)?;
        let identity = self.identity(&served)?;
        let bucket = self.bucket()?;
        let shares = self.shares(&served);
        for share in &shares {
            self.check_contracts(&share.bus, &share.offers).await?;
        }
        let shelf = self.provisions.shelve();
        let provisions = Arc::new(self.provisions);
        let sides = shares
            .iter()
            .map(|share| Side::new(share, &identity, &self.reply_prefixes, &provisions));
        let mut sides = sides.collect::<Result<Vec<Side>, Problems>>()?;
        let stands = sides.iter().flat_map(Side::stands);
        let live = Arc::new(Live::new(&identity.name, stands, shelf));
        // Looked at before anything is served: a task that is paused takes no call in between.
        let looked = Looked::at(bucket.as_ref(), &identity.name, &live).await;
        looked.serve(&live).await?;
        for (side, share) in sides.iter_mut().zip(shares) {
            side.show(&identity, share.offers, live.status()).await?;
        }
        let live = (Arc::clone(&live), looked.follow(&live));
        let running = RunningWorker::new(identity, sides, live, self.health, self.stop_timeout);
        let buses = BusFigures::new(self.bus, self.internal_bus);
        running.show(self.metrics.then_some(buses));
        Ok(running)
    }

    /// The bucket that is followed, if any: there is none on the embedded bus.
    fn bucket(&self) -> Result<Option<Bucket>, Problems> {
        let name = self.bucket.as_ref().filter(|_| !self.bus.is_embedded());
        let bucket = name.map(|name| Bucket::new(self.bus.clone(), name));
        let problem = |why| {
            Problems(vec![
                Problem::new(why).help("`with_bucket`, or METROPOLIS_BUCKET"),
            ])
        };
        bucket.transpose().map_err(problem)
    }

    /// Which tasks are served on which bus. Where there are two, internal tasks are kept off the outer one.
    fn shares(&self, served: &[Entry]) -> Vec<Share> {
        let Some(internal) = &self.internal_bus else {
            return vec![Share::new(self.bus.clone(), served.to_vec(), self.metrics)];
        };
        let outer = served.iter().filter(|entry| !entry.meta().internal);
        vec![
            Share::new(internal.clone(), served.to_vec(), self.metrics),
            Share::new(self.bus.clone(), outer.cloned().collect(), self.metrics),
        ]
    }

    /// What this worker must be allowed on its NATS server.
    ///
    /// # Errors
    /// With every conflict between the tasks.
    pub fn permissions(&self) -> Result<Permissions, Problems> {
        let catalog = self.catalog()?;
        let served: Vec<Entry> = catalog.served().cloned().collect();
        let service = self.identity(&served)?.name;
        let permissions = Permissions::without_bucket(&catalog, &service)?;
        let Some(bucket) = &self.bucket else {
            return Ok(permissions);
        };
        check_bucket(bucket).map_err(|why| Problems(vec![Problem::new(why)]))?;
        let settings = self.provisions.followed().iter();
        let settings = settings.map(|setting| setting_key(&service, setting.key));
        let keys = std::iter::once(service_key(&service)).chain(settings);
        Ok(permissions.with_bucket(bucket, keys))
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
        service::identity(name, &crate::random::token(), version)
            .map_err(|problem| Problems(vec![problem]))
    }

    /// A worker on the embedded bus serves one process, which has one contract of each task.
    async fn check_contracts(&self, bus: &Bus, offers: &[Offer]) -> Result<(), Breaking> {
        if bus.is_embedded() {
            return Ok(());
        }
        match service::compare_with_service(bus, offers).await {
            Err(breaking) if self.allow_breaking => {
                tracing::warn!("METROPOLIS_ALLOW_BREAKING is set: {breaking}");
                Ok(())
            }
            compared => compared,
        }
    }

    fn check(&self, served: &[Entry]) -> Result<(), Problems> {
        let doubled = self.provisions.doubled().iter();
        let problems = served
            .is_empty()
            .then(no_tasks)
            .into_iter()
            .chain(doubled.map(|name| problems::doubled(name)))
            .chain(problems::settings(self.provisions.followed()))
            .chain(problems::missing(served, &self.provisions));
        Problems(problems.collect()).check()
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
