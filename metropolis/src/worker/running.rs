//! A worker that serves, on the one bus or the two it was given.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::following::Following;
use super::live::{ApplyError, Live};
use super::side::Side;
use crate::health::Health;
use crate::live::Setting;
use crate::service::Identity;
use crate::telemetry::{BusFigures, Exposition, TaskFigures};

/// A worker that serves. Stop it with [`RunningWorker::stop`]; dropping it abandons what runs.
pub struct RunningWorker {
    identity: Identity,
    sides: Vec<Side>,
    live: Arc<Live>,
    following: Following,
    health: Option<Health>,
    stop_timeout: Duration,
}

/// The revision that logs and `STATS` show of what the program itself has applied.
const BY_THE_PROGRAM: &str = "program";

impl RunningWorker {
    /// A worker that serves by now.
    pub(super) fn new(
        identity: Identity,
        sides: Vec<Side>,
        (live, following): (Arc<Live>, Following),
        health: Option<Health>,
        stop_timeout: Duration,
    ) -> Self {
        Self {
            identity,
            sides,
            live,
            following,
            health,
            stop_timeout,
        }
    }

    /// Lets the health say that this worker serves, and show its metrics where there are any.
    pub(super) fn show(&self, buses: Option<BusFigures>) {
        let Some(health) = &self.health else { return };
        let shown = |buses| Exposition::new().with(buses).with(self.figures());
        let checked = self.sides.iter().map(|side| side.bus().clone());
        health.begin(checked, buses.map(shown));
    }

    /// What the tasks count, for whoever shows metrics in the place of this worker's own health.
    #[must_use]
    pub fn figures(&self) -> TaskFigures {
        TaskFigures::of(self.sides.iter().flat_map(Side::counts))
    }

    /// Puts a document of configuration in force, as one in the bucket would be, and in its place until that changes.
    ///
    /// ```
    /// # async fn example(worker: &metropolis::RunningWorker) -> Result<(), metropolis::worker::ApplyError> {
    /// worker.apply(r#"{"tasks": {"charge": {"concurrency": 10, "paused": true}}}"#).await
    /// # }
    /// ```
    ///
    /// What it does not name is as the annotation says, so `{}` takes everything back. A task that is paused finishes what
    /// it was sent and takes no more; others of its queue do, and where there are none, callers hear that nobody is there.
    ///
    /// # Errors
    /// When the document is refused, with everything that is wrong with it, or a task could not be subscribed again.
    pub async fn apply(&self, document: &str) -> Result<(), ApplyError> {
        let document = Some(document.as_bytes());
        self.live.apply(document, BY_THE_PROGRAM).await
    }

    /// The value of a setting now; `None` where the worker does not [follow](crate::Worker::follow) it.
    #[must_use]
    pub fn setting<T: Setting>(&self) -> Option<Arc<T>> {
        self.live.shelf()?.get()
    }

    /// The name of the service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.identity.name
    }

    /// The id of this worker, unique among all.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.identity.id
    }

    /// Stops: takes no new requests, finishes and answers what was accepted, within the stop timeout.
    ///
    /// What still runs when the time is up is answered with a 503 and dropped, so that nobody waits in vain.
    pub async fn stop(self) {
        let deadline = Instant::now() + self.stop_timeout;
        self.stop_by(deadline).await;
    }

    /// Stops as [`RunningWorker::stop`] does, with a deadline of the caller's.
    pub async fn stop_by(self, deadline: Instant) {
        tracing::info!(
            service = self.identity.name,
            "the worker stops: it finishes what it has accepted"
        );
        if let Some(health) = &self.health {
            health.end();
        }
        self.following.end();
        join_all(self.sides.into_iter().map(|side| side.stop_by(deadline))).await;
    }
}

impl fmt::Debug for RunningWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningWorker")
            .field("service", &self.identity.name)
            .finish_non_exhaustive()
    }
}
