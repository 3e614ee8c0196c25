//! Discovery, the worker's side: answers to ADR-32's questions, contracts by hash, the news of joining and leaving.
//!
//! A worker is one ADR-32 service, or several of one name where it has too many tasks for one `INFO`. Everything here
//! runs in tasks of its own and dispatches nothing. How it looks on the wire is in `docs/wire.md`.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::bus::{Bus, Incoming, Outgoing, SubscribeError};
use crate::fault::Fault;
use crate::live::Status;
use crate::replies::ReplyRule;
use crate::subject::Subject;
use crate::wire::{Headers, Reply};

mod answers;
mod check;
pub mod compatibility;
mod contracts;
mod gather;
mod inlets;
mod offer;
mod part;
mod stats;

pub use answers::{Endpoint, EndpointStats, Identity, Info, Metadata, Ping, Stats};
pub(crate) use check::compare_with_service;
pub use check::{Breaking, BrokenTask};
pub(crate) use contracts::QUEUE as CONTRACT_QUEUE;
pub use contracts::{FetchError, PART_MAX, PARTS_MAX, fetch_contract, fetch_contract_up_to};
pub use gather::{ANSWER_BYTES_MAX, ANSWERS_MAX, GatherError, gather};
use inlets::Inlets;
pub(crate) use offer::{Offer, identity};
use part::Part;

/// Asks every service who it is.
pub const PING: &str = "$SRV.PING";
/// Asks every service what it serves.
pub const INFO: &str = "$SRV.INFO";
/// Asks every service what it did.
pub const STATS: &str = "$SRV.STATS";
/// Where services say that they have come, with their `INFO`: `.<service>.<id>` follows.
pub const ANNOUNCE: &str = "metropolis.announce";
/// Where services say that they go, with their `PING`: `.<service>.<id>` follows.
pub const LEAVE: &str = "metropolis.leave";
/// Where contracts are asked for: `.<hash>` follows.
pub const CONTRACT: &str = "metropolis.contract";

/// An `INFO` may have this many bytes; a worker with more to say is several services of one name.
pub const INFO_MAX: usize = 64 * 1024;

/// The endpoint's route, such as `GET /users/{id}`, or `none`.
pub const METADATA_HTTP: &str = "metropolis.http";
/// The subject as declared, parameters in braces.
pub const METADATA_SUBJECT: &str = "metropolis.subject";
/// The longest one call may take, in milliseconds.
pub const METADATA_TIMEOUT_MS: &str = "metropolis.timeout-ms";
/// The hash of the endpoint's contract.
pub const METADATA_CONTRACT: &str = "metropolis.contract";
/// Of a service, not an endpoint: `true` when it reads the trace of a request that nobody records from the reply subject.
pub const METADATA_TRACE_IN_REPLY: &str = "metropolis.trace-in-reply";
/// Of a service, not an endpoint: the worker it belongs to, which faults name in `Metropolis-Instance`.
pub const METADATA_INSTANCE: &str = "metropolis.instance";

/// Of a service in `STATS`: the revision of its configuration that is in force; `.<key>` follows.
pub const METADATA_APPLIED: &str = "metropolis.applied";
/// Of a service in `STATS`: the revision that came later and was refused, and why; `.<key>` follows.
pub const METADATA_REFUSED: &str = "metropolis.refused";
/// Of a service in `STATS`: what the configuration speaks of that the worker does not serve; `.<key>` follows.
pub const METADATA_IGNORED: &str = "metropolis.ignored";

/// How long the bus may take to accept an answer or an announcement.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a stop waits for the notice of leaving to be sent.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// How many ADR-32 services a worker with these offers is, where the bus takes an `INFO` of full size.
pub(crate) fn parts(identity: &Identity, offers: Vec<Offer>) -> usize {
    Part::split(identity, offers, INFO_MAX).len()
}

/// A worker as discovery sees it.
#[derive(Debug)]
struct Service {
    bus: Bus,
    replies: Arc<ReplyRule>,
    started: String,
    parts: Vec<Part>,
    /// What became of its configuration.
    status: Arc<Status>,
}

/// A worker that can be discovered. Dropping it ends the answers without a word.
#[derive(Debug)]
pub(crate) struct Presence {
    service: Arc<Service>,
    leaving: watch::Sender<Option<Instant>>,
    responder: JoinSet<()>,
    contracts: JoinSet<()>,
}

impl Presence {
    /// Answers from here on, and says so: everything the offers promise must be served already.
    ///
    /// # Errors
    /// When the bus does not confirm a subscription.
    pub(crate) async fn begin(
        bus: &Bus,
        replies: Arc<ReplyRule>,
        identity: &Identity,
        offers: Vec<Offer>,
        status: Arc<Status>,
    ) -> Result<Self, SubscribeError> {
        let (leaving, left) = watch::channel(None);
        let mut contracts = JoinSet::new();
        let serving = contracts::serve(bus, &replies, &identity.id, &offers, left.clone());
        contracts.spawn(serving.await?);
        let service = Arc::new(Service {
            bus: bus.clone(),
            replies,
            started: humantime::format_rfc3339_micros(SystemTime::now()).to_string(),
            parts: Part::split(identity, offers, INFO_MAX.min(bus.payload_max())),
            status,
        });
        let inlets = Inlets::open(bus, &service.filters(), None).await?;
        let mut responder = JoinSet::new();
        responder.spawn(respond(Arc::clone(&service), inlets, left));
        let presence = Self {
            service,
            leaving,
            responder,
            contracts,
        };
        presence.service.announce().await;
        Ok(presence)
    }

    /// Says that this worker goes, and answers no question after that. Contracts are served until the deadline at most.
    pub(crate) async fn leave(&mut self, deadline: Instant) {
        let _ = self.leaving.send(Some(deadline));
        // The responder says it, so that no answer can come after it.
        let _ = timeout(LEAVE_TIMEOUT, self.responder.join_next()).await;
        self.responder.abort_all();
    }

    /// Ready when nothing is served any more, after [`leave`](Self::leave).
    pub(crate) async fn ended(&mut self) {
        while self.contracts.join_next().await.is_some() {}
    }
}

impl Service {
    /// Everything ADR-32 wants an instance to listen to; what its parts have in common only once.
    fn filters(&self) -> Vec<String> {
        let Some(first) = self.parts.first() else {
            return Vec::new();
        };
        let of_verb = |verb: &str| {
            let name = format!("{verb}.{}", first.identity.name);
            let ids = self
                .parts
                .iter()
                .map(|part| format!("{name}.{}", part.identity.id));
            let ids: Vec<String> = ids.collect();
            [vec![verb.to_owned(), name], ids].concat()
        };
        [PING, INFO, STATS].into_iter().flat_map(of_verb).collect()
    }

    /// Says that this worker serves. An announcement that is lost is repaired by polling.
    async fn announce(&self) {
        for part in &self.parts {
            self.send(part.news(ANNOUNCE, part.info.clone())).await;
        }
    }

    async fn answer(&self, incoming: Incoming) {
        let Some(to) = incoming.reply.clone() else {
            return;
        };
        if !self.replies.admits(&incoming) {
            return;
        }
        for part in &self.parts {
            let (subject, started) = (incoming.subject.as_str(), &self.started);
            if let Some(payload) = part.answer(subject, started, &self.status) {
                let answer = self.fitting(part, to.clone(), payload);
                self.send(answer).await;
            }
        }
    }

    /// The answer, or a fault in its place when it is larger than the bus takes.
    fn fitting(&self, part: &Part, to: Subject, payload: Bytes) -> Outgoing {
        let (headers, payload) = if payload.len() <= self.bus.payload_max() {
            (Headers::new(), payload)
        } else {
            let text = "the answer is larger than the bus takes";
            let fault = Fault::new(500, "reply_too_large", text);
            Reply::Fault(fault).encode(&part.identity.id)
        };
        Outgoing {
            headers,
            payload,
            ..Outgoing::empty(to)
        }
    }

    /// Failing to send is no reason to end: the next question may find the bus well again.
    async fn send(&self, outgoing: Outgoing) {
        let subject = outgoing.subject.clone();
        let deadline = Instant::now() + SEND_TIMEOUT;
        if let Err(error) = self.bus.publish(outgoing, deadline).await {
            tracing::warn!(%error, %subject, "discovery could not send");
        }
    }
}

/// Answers questions until the worker leaves, and says that it does.
async fn respond(
    service: Arc<Service>,
    mut inlets: Inlets,
    mut leaving: watch::Receiver<Option<Instant>>,
) {
    let mut restored = service.bus.restored();
    loop {
        let incoming = tokio::select! {
            biased;
            _ = leaving.changed() => None,
            () = again(&mut restored) => {
                service.announce().await;
                continue;
            }
            incoming = inlets.next() => incoming,
        };
        match incoming {
            Some(incoming) => service.answer(incoming).await,
            None => break,
        }
    }
    for part in &service.parts {
        service.send(part.news(LEAVE, part.ping.clone())).await;
    }
}

/// Waits until a lost connection is there again: whoever counted this worker out should hear of it at once.
async fn again(restored: &mut Option<watch::Receiver<u64>>) {
    if let Some(times) = restored
        && times.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
