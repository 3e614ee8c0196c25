//! One bus that a worker serves on: the lanes of its tasks there, and the order in which it leaves.
//!
//! Most workers have one. A worker between an internal and an external bus has two, which share nothing but the tasks:
//! a crowd on one cannot take the places of the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::StartError;
use super::lane::{Lane, Shared};
use crate::bus::Bus;
use crate::catalog::{Entry, Problems};
use crate::context::{Provisions, Scope};
use crate::dispatch::Dispatch;
use crate::replies::ReplyRule;
use crate::service::{Identity, Offer, Presence};
use crate::telemetry::Counts;

/// What a worker still does for its replies after the last call ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A bus, and everything that serves on it.
pub(super) struct Side {
    presence: Option<Presence>,
    lanes: Vec<Arc<Lane>>,
    loops: JoinSet<()>,
    leave: watch::Sender<Option<Instant>>,
    abort: watch::Sender<bool>,
    shared: Arc<Shared>,
}

impl Side {
    /// Nothing is served yet.
    ///
    /// # Errors
    /// When a reply prefix is reserved.
    pub(super) fn new(
        bus: Bus,
        identity: &Identity,
        reply_prefixes: &[String],
        served: &[Entry],
    ) -> Result<Self, Problems> {
        let patterns = served.iter().map(|entry| entry.pattern.clone()).collect();
        let replies = ReplyRule::new(reply_prefixes.to_vec(), patterns)?;
        let (abort, aborted) = watch::channel(false);
        let (leave, leaving) = watch::channel(None);
        let shared = Shared {
            bus,
            instance: identity.id.as_str().into(),
            replies: Arc::new(replies),
            leaving,
            aborted,
        };
        Ok(Self {
            presence: None,
            lanes: Vec::new(),
            loops: JoinSet::new(),
            leave,
            abort,
            shared: Arc::new(shared),
        })
    }

    /// Where the tasks of this side count.
    pub(super) fn counts(&self) -> impl Iterator<Item = Arc<Counts>> {
        self.lanes.iter().map(|lane| Arc::clone(lane.counts()))
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.shared.bus
    }

    /// Serves tasks, and then shows them to the network as these offers, one for each.
    pub(super) async fn serve(
        &mut self,
        identity: &Identity,
        served: Vec<Entry>,
        offers: Vec<Offer>,
        provisions: &Arc<Provisions>,
    ) -> Result<(), StartError> {
        for (entry, offer) in served.into_iter().zip(&offers) {
            let (worker, counts) = (Arc::clone(provisions), Arc::clone(offer.counts()));
            let scope = Scope {
                worker,
                counts: Arc::clone(&counts),
                instance: Arc::clone(&self.shared.instance),
            };
            if let Some(dispatch) = Dispatch::new(entry, scope) {
                self.add(dispatch, counts).await?;
            }
        }
        let replies = Arc::clone(&self.shared.replies);
        let presence = Presence::begin(&self.shared.bus, replies, identity, offers).await;
        self.presence = Some(presence.map_err(StartError::Discovery)?);
        self.say_hello(&identity.name);
        Ok(())
    }

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

    fn say_hello(&self, service: &str) {
        let bus = if self.shared.bus.is_embedded() {
            "the embedded bus"
        } else {
            "NATS"
        };
        tracing::info!(
            service,
            instance = &*self.shared.instance,
            "the worker serves {} tasks on {bus}",
            self.lanes.len()
        );
    }

    /// Takes no new requests, finishes and answers what was accepted, and at the deadline answers what still runs.
    pub(super) async fn stop_by(mut self, deadline: Instant) {
        // Whoever routes to this worker hears of it first, and looks for another while this one drains.
        if let Some(presence) = &mut self.presence {
            presence.leave(deadline).await;
        }
        let _ = self.leave.send(Some(deadline));
        if !self.idle_by(deadline).await {
            tracing::warn!("the stop timeout is over: running calls are answered with a 503");
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
}
