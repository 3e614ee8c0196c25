//! Live: what an operator may change of a gateway while it runs, as a document of the bucket says it.
//!
//! ```json
//! {"log": "debug", "body_max": 65536}
//! ```

use std::sync::Arc;

use bytes::Bytes;
use metropolis::Bus;
use metropolis::live::{Entry, Findings, Follower, GATEWAY_KEY, Members, Refusal};
use metropolis::log::override_filter;
use tokio::sync::watch;

use super::base::{Base, Configuration};
use crate::forward::BodyMax;

/// What a document says.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    log: Option<String>,
    body_max: Option<usize>,
}

impl Wanted {
    /// Reads a document. A larger body than the bus takes would only be refused later.
    fn read(document: Option<&Bytes>, payload_max: usize) -> Result<Self, Refusal> {
        let mut findings = Findings::default();
        let document = document.map_or(&b"{}"[..], Bytes::as_ref);
        let mut members = Members::read(document, &["log", "body_max"], &mut findings);
        let why = " (what the bus takes)";
        let wanted = Self {
            log: members.filter("log", &mut findings),
            body_max: members.number("body_max", (1, payload_max), why, &mut findings),
        };
        findings.none_or(wanted)
    }
}

/// Puts documents in force for as long as the gateway runs.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) bus: Bus,
    /// What holds where no document names another.
    pub(super) own_body_max: usize,
    pub(super) body_max: BodyMax,
    pub(super) base: Arc<watch::Sender<Arc<Base>>>,
}

impl Live {
    pub(super) async fn follow(self, mut follower: Follower) {
        loop {
            let entry = follower.next().await;
            self.take(&entry);
        }
    }

    fn take(&self, entry: &Entry) {
        let revision = entry.revision;
        match Wanted::read(entry.document(), self.bus.payload_max()) {
            Ok(wanted) => {
                self.put_in_force(&wanted, revision);
                self.show(|configuration| {
                    configuration.body_max = self.body_max.bytes();
                    configuration.applied = entry.document().map(|_| revision);
                    configuration.refused = None;
                });
            }
            Err(refusal) => {
                tracing::warn!(
                    key = GATEWAY_KEY,
                    revision,
                    "configuration is refused, and what was in force stays: {refusal}"
                );
                self.show(|configuration| {
                    configuration.refused = Some(format!("{revision}: {refusal}"));
                });
            }
        }
    }

    fn put_in_force(&self, wanted: &Wanted, revision: u64) {
        // It was checked with the rest of the document.
        let _ = override_filter(GATEWAY_KEY, wanted.log.as_deref());
        let new = wanted.body_max.unwrap_or(self.own_body_max);
        let old = self.body_max.swap(new);
        if old != new {
            tracing::info!(
                revision,
                old,
                new,
                "the largest body of a request has changed"
            );
        }
    }

    fn show(&self, change: impl FnOnce(&mut Configuration)) {
        self.base.send_modify(|base| {
            let mut next = Base::clone(base);
            change(&mut next.configuration);
            *base = Arc::new(next);
        });
    }
}

impl Drop for Live {
    /// A gateway that is gone wants nothing of the log.
    fn drop(&mut self) {
        let _ = override_filter(GATEWAY_KEY, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &'static str) -> Result<Wanted, String> {
        let document = (!document.is_empty()).then(|| Bytes::from_static(document.as_bytes()));
        Wanted::read(document.as_ref(), 1000).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_document_is_read_as_a_whole_or_refused_with_everything_that_is_wrong() {
        let wanted = |log: Option<&str>, body_max| Wanted {
            log: log.map(str::to_owned),
            body_max,
        };
        assert_eq!(read(""), Ok(wanted(None, None)));
        let document = r#"{"log": "debug", "body_max": 1000}"#;
        assert_eq!(read(document), Ok(wanted(Some("debug"), Some(1000))));
        let refused = read(r#"{"bodymax": 5, "body_max": 1001, "log": "loud"}"#);
        assert_eq!(
            refused.expect_err("three mistakes"),
            "`bodymax` is no member of the document; did you mean `body_max`?; \
             `log` of the document: `loud` is no level; write one of `off`, `error`, `warn`, `info`, `debug`, `trace`, \
             or `target=level`; \
             `body_max` of the document is 1001, not a number from 1 to 1000 (what the bus takes)"
        );
    }
}
