//! One bus that a worker serves on: the stands of its tasks there, and the order in which it leaves.
//!
//! Most workers have one. A worker between an internal and an external bus has two, which share nothing but the tasks:
//! a crowd on one cannot take the places of the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::StartError;
use super::lane::{Lane, Shared};
use super::stand::Stand;
use crate::bus::Bus;
use crate::catalog::{Entry, Problems};
use crate::context::{Provisions, Scope};
use crate::dispatch::Dispatch;
use crate::live::Status;
use crate::replies::ReplyRule;
use crate::service::{Identity, Offer, Presence};
use crate::telemetry::Counts;

/// What a worker still does for its replies after the last call ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A bus, and everything that serves on it.
pub(super) struct Side {
    presence: Option<Presence>,
    stands: Vec<Arc<Stand>>,
    shared: Arc<Shared>,
}

/// What a worker serves on one bus: its tasks there, and each as an offer.
pub(super) struct Share {
    pub(super) bus: Bus,
    pub(super) served: Vec<Entry>,
    pub(super) offers: Vec<Offer>,
}

impl Share {
    /// `measures` says whether durations are sorted into buckets.
    pub(super) fn new(bus: Bus, served: Vec<Entry>, measures: bool) -> Self {
        let offers = served.iter().map(|entry| Offer::of(entry, measures));
        Self {
            bus,
            offers: offers.collect(),
            served,
        }
    }
}

impl Side {
    /// Nothing is served yet.
    ///
    /// # Errors
    /// When a reply prefix is reserved.
    pub(super) fn new(
        share: &Share,
        identity: &Identity,
        reply_prefixes: &[String],
        provisions: &Arc<Provisions>,
    ) -> Result<Self, Problems> {
        let patterns = share.served.iter().map(|entry| entry.pattern.clone());
        let replies = ReplyRule::new(reply_prefixes.to_vec(), patterns.collect())?;
        let shared = Arc::new(Shared {
            bus: share.bus.clone(),
            instance: identity.id.as_str().into(),
            replies: Arc::new(replies),
        });
        let tasks = share.served.iter().zip(&share.offers);
        let stands = tasks.filter_map(|(entry, offer)| {
            let counts = Arc::clone(offer.counts());
            let scope = Scope {
                worker: Arc::clone(provisions),
                counts: Arc::clone(&counts),
                instance: Arc::clone(&shared.instance),
            };
            let dispatch = Dispatch::new(entry.clone(), scope)?;
            let lane = Lane::new(dispatch, counts, Arc::clone(&shared));
            Some(Arc::new(Stand::new(lane)))
        });
        Ok(Self {
            presence: None,
            stands: stands.collect(),
            shared,
        })
    }

    /// Where the tasks of this side count.
    pub(super) fn counts(&self) -> impl Iterator<Item = Arc<Counts>> {
        let stands = self.stands.iter();
        stands.map(|stand| Arc::clone(stand.lane().counts()))
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.shared.bus
    }

    pub(super) fn stands(&self) -> &[Arc<Stand>] {
        &self.stands
    }

    /// Shows what is served by now to the network, as these offers.
    pub(super) async fn show(
        &mut self,
        identity: &Identity,
        offers: Vec<Offer>,
        status: &Arc<Status>,
    ) -> Result<(), StartError> {
        let (replies, status) = (Arc::clone(&self.shared.replies), Arc::clone(status));
        let presence = Presence::begin(&self.shared.bus, replies, identity, offers, status).await;
        self.presence = Some(presence.map_err(StartError::Discovery)?);
        self.say_hello(&identity.name);
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
            self.stands.len()
        );
    }

    /// Takes no new requests, finishes and answers what was accepted, and at the deadline answers what still runs.
    pub(super) async fn stop_by(mut self, deadline: Instant) {
        // Whoever routes to this worker hears of it first, and looks for another while this one drains.
        if let Some(presence) = &mut self.presence {
            presence.leave(deadline).await;
        }
        join_all(self.stands.iter().map(|stand| stand.leave(deadline))).await;
        if !self.idle_by(deadline).await {
            tracing::warn!("the stop timeout is over: running calls are answered with a 503");
            self.stands.iter().for_each(|stand| stand.lane().abort());
            self.idle_by(Instant::now() + LAST_WORDS).await;
        }
        let _ = self.shared.bus.fence(Instant::now() + LAST_WORDS).await;
    }

    /// Waits for the end of every call, and of what discovery was asked.
    async fn idle_by(&mut self, deadline: Instant) -> bool {
        let everything = async {
            for stand in &self.stands {
                stand.lane().idle().await;
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
