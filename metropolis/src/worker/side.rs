//! One bus that a worker serves on: the lanes of its tasks there, and the order in which it leaves.
//!
//! Most workers have one. A worker between an internal and an external bus has two, which share nothing but the tasks:
//! a crowd on one cannot take the places of the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::StartError;
use super::lane::{Lane, Shared};
use crate::bus::{Bus, Serving, Taker};
use crate::catalog::{Entry, Problems};
use crate::context::Provisions;
use crate::dispatch::Dispatch;
use crate::replies::ReplyRule;
use crate::service::{Counts, Identity, Offer, Presence};

/// What a worker still does for its replies after the last call ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A bus, and everything that serves on it.
pub(super) struct Side {
    presence: Option<Presence>,
    lanes: Vec<Arc<Lane>>,
    servings: Vec<Serving>,
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
        let shared = Shared {
            bus,
            instance: identity.id.as_str().into(),
            replies: Arc::new(replies),
        };
        Ok(Self {
            presence: None,
            lanes: Vec::new(),
            servings: Vec::new(),
            shared: Arc::new(shared),
        })
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
            if let Some(dispatch) = Dispatch::new(entry, Arc::clone(provisions)) {
                self.add(dispatch, Arc::clone(offer.counts())).await?;
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
        let taker = Arc::clone(&lane);
        let taker: Taker = Arc::new(move |incoming| taker.take(incoming));
        let serving = self.shared.bus.serve(&filter, &entry.queue, taker).await;
        let serving = serving.map_err(|source| StartError::Subscribe {
            subject: entry.meta().subject.to_owned(),
            source,
        })?;
        self.servings.push(serving);
        self.lanes.push(lane);
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
        join_all(
            self.servings
                .drain(..)
                .map(|serving| serving.drain(deadline)),
        )
        .await;
        if !self.idle_by(deadline).await {
            tracing::warn!("the stop timeout is over: running calls are answered with a 503");
            self.lanes.iter().for_each(|lane| lane.abort());
            self.idle_by(Instant::now() + LAST_WORDS).await;
        }
        let _ = self.shared.bus.fence(Instant::now() + LAST_WORDS).await;
    }

    /// Waits for the end of every call, and of what discovery was asked.
    async fn idle_by(&mut self, deadline: Instant) -> bool {
        let everything = async {
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
