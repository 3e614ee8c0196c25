//! A worker that serves: its lanes, and the order in which it leaves the network.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::StartError;
use super::lane::{Lane, Shared};
use crate::bus::Bus;
use crate::dispatch::Dispatch;
use crate::health::Health;
use crate::replies::ReplyRule;
use crate::service::{Counts, Identity, Offer, Presence};

/// What a worker still does for its replies after the last call ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A worker that serves. Stop it with [`RunningWorker::stop`]; dropping it abandons what runs.
pub struct RunningWorker {
    service: String,
    presence: Option<Presence>,
    health: Option<Health>,
    lanes: Vec<Arc<Lane>>,
    loops: JoinSet<()>,
    leave: watch::Sender<Option<Instant>>,
    abort: watch::Sender<bool>,
    stop_timeout: Duration,
    shared: Arc<Shared>,
}

impl RunningWorker {
    pub(super) fn new(
        bus: Bus,
        identity: &Identity,
        replies: ReplyRule,
        stop_timeout: Duration,
    ) -> Self {
        let (abort, aborted) = watch::channel(false);
        let (leave, leaving) = watch::channel(None);
        let shared = Shared {
            bus,
            instance: identity.id.as_str().into(),
            replies: Arc::new(replies),
            leaving,
            aborted,
        };
        Self {
            service: identity.name.clone(),
            presence: None,
            health: None,
            lanes: Vec::new(),
            loops: JoinSet::new(),
            leave,
            abort,
            stop_timeout,
            shared: Arc::new(shared),
        }
    }

    /// Serves one more task.
    pub(super) async fn add(
        &mut self,
        dispatch: Dispatch,
        counts: Arc<Counts>,
    ) -> Result<(), StartError> {
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
    pub(super) async fn appear(
        &mut self,
        identity: &Identity,
        offers: Vec<Offer>,
    ) -> Result<(), StartError> {
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
    pub async fn stop(self) {
        let deadline = Instant::now() + self.stop_timeout;
        self.stop_by(deadline).await;
    }

    /// Stops as [`RunningWorker::stop`] does, with a deadline of the caller's.
    pub async fn stop_by(mut self, deadline: Instant) {
        tracing::info!(
            service = self.service,
            "the worker stops: it finishes what it has accepted"
        );
        if let Some(health) = &self.health {
            health.end();
        }
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

    /// Says that it serves, to whoever reads its log and to whoever asks for its health.
    pub(super) fn begin(&mut self, health: Option<Health>) {
        self.say_hello();
        self.health = health;
        if let Some(health) = &self.health {
            health.begin(self.shared.bus.clone());
        }
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
