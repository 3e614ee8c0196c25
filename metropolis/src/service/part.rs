//! One ADR-32 service of a worker. Most workers are one; one with many tasks is several of the same name.

use bytes::Bytes;
use serde::Serialize;

use super::answers::{Endpoint, EndpointStats, Identity, Info, Ping, Stats};
use super::offer::Offer;
use super::{INFO, METADATA_APPLIED, METADATA_IGNORED, METADATA_REFUSED, PING, STATS, stats};
use crate::bus::Outgoing;
use crate::live::Status;
use crate::subject::Subject;

/// One ADR-32 service: some of the worker's tasks under an id of their own.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) identity: Identity,
    pub(super) ping: Bytes,
    pub(super) info: Bytes,
    offers: Vec<Offer>,
}

impl Part {
    /// Deals the offers out, as few parts as can be with no `INFO` above `info_max` bytes.
    pub(super) fn split(identity: &Identity, offers: Vec<Offer>, info_max: usize) -> Vec<Self> {
        let mut groups: Vec<Vec<Offer>> = vec![Vec::new()];
        // An id grows by a number from the second part on.
        let envelope = json(&Info::new(identity.clone(), Vec::new())).len() + "-65536".len();
        let mut size = envelope;
        for offer in offers {
            let own = json(&offer.endpoint).len() + ",".len();
            if size + own > info_max && groups.last().is_some_and(|group| !group.is_empty()) {
                groups.push(Vec::new());
                size = envelope;
            }
            size += own;
            groups
                .last_mut()
                .expect("there is one from the start")
                .push(offer);
        }
        let parts = groups.into_iter().enumerate();
        parts
            .map(|(at, offers)| Self::new(identity, at, offers))
            .collect()
    }

    fn new(identity: &Identity, at: usize, offers: Vec<Offer>) -> Self {
        let mut identity = identity.clone();
        if at > 0 {
            identity.id = format!("{}-{at}", identity.id);
        }
        let endpoints: Vec<Endpoint> = offers.iter().map(|offer| offer.endpoint.clone()).collect();
        Self {
            ping: json(&Ping::new(identity.clone())),
            info: json(&Info::new(identity.clone(), endpoints)),
            identity,
            offers,
        }
    }

    /// The answer to a question on `$SRV.<verb>[.<name>[.<id>]]`; `None` when it is for another instance.
    ///
    /// The name is this service's: no other is subscribed to.
    pub(super) fn answer(&self, subject: &str, started: &str, status: &Status) -> Option<Bytes> {
        if subject
            .split('.')
            .nth(3)
            .is_some_and(|id| id != self.identity.id)
        {
            return None;
        }
        let asks = |verb: &str| {
            let rest = subject.strip_prefix(verb);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if asks(PING) {
            Some(self.ping.clone())
        } else if asks(INFO) {
            Some(self.info.clone())
        } else {
            asks(STATS).then(|| self.stats(started, status))
        }
    }

    /// A message about this part on `<topic>.<name>.<id>`.
    pub(super) fn news(&self, topic: &str, payload: Bytes) -> Outgoing {
        let Identity { name, id, .. } = &self.identity;
        let subject = Subject::parse(format!("{topic}.{name}.{id}"))
            .expect("a service's name and id are plain tokens");
        Outgoing {
            payload,
            ..Outgoing::empty(subject)
        }
    }

    fn stats(&self, started: &str, status: &Status) -> Bytes {
        let offers = self.offers.iter();
        let endpoints: Vec<EndpointStats> = offers
            .map(|offer| stats::of(&offer.endpoint, offer.counts()))
            .collect();
        let mut identity = self.identity.clone();
        for (key, outcome) in status.read() {
            let told = [
                (METADATA_APPLIED, outcome.applied),
                (METADATA_REFUSED, outcome.refused),
                (METADATA_IGNORED, outcome.ignored),
            ];
            let told = told
                .into_iter()
                .filter_map(|(what, text)| Some((what, text?)));
            let told = told.map(|(what, text)| (format!("{what}.{key}"), text));
            identity.metadata.extend(told);
        }
        json(&Stats::new(identity, started.to_owned(), endpoints))
    }
}

fn json(answer: &impl Serialize) -> Bytes {
    let text = serde_json::to_vec(answer);
    Bytes::from(text.expect("texts and numbers have a JSON form"))
}
