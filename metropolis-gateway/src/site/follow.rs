//! Keeps the routes in step with the services on the bus: builds the next ones off the request path and swaps them in.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::board::Board;
use super::routes::Routes;
use crate::admin::OwnPaths;
use crate::admission::{Quarantined, admit};
use crate::discovery::Seen;
use crate::metrics::Metrics;
use crate::operation::Operation;

/// The shortest time between two changes; what comes meanwhile comes together. The first one waits for nothing.
const REST_MIN: Duration = Duration::from_millis(5);

/// Building takes at most one part in so many of the time, however fast services come and go.
const REST_TO_BUILD: u32 = 4;

/// What stays the same from change to change.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) own: Vec<Operation>,
    pub(super) paths: OwnPaths,
    pub(super) metrics: Arc<Metrics>,
}

impl Base {
    /// The routes there are without any service on the bus.
    pub(super) fn alone(&self) -> Routes {
        self.with(&Seen::default(), &HashSet::new())
    }

    fn with(&self, seen: &Seen, served: &HashSet<u64>) -> Routes {
        Routes::of(admit(&self.own, seen, served), &self.paths, &self.metrics)
    }
}

/// Follows what is seen for as long as somebody watches.
pub(super) async fn follow(base: Base, board: Arc<Board>, mut seen: watch::Receiver<Seen>) {
    let base = Arc::new(base);
    let mut served = HashSet::new();
    let mut known = Vec::new();
    while seen.changed().await.is_ok() {
        let begun = Instant::now();
        let now = seen.borrow_and_update().clone();
        let is_complete = now.is_complete;
        let building = {
            let (base, served) = (Arc::clone(&base), served.clone());
            tokio::task::spawn_blocking(move || base.with(&now, &served))
        };
        match building.await {
            Ok(routes) => {
                let admitted = Arc::clone(&routes.admitted);
                board.swap(routes, is_complete);
                say(&mut known, &admitted.quarantined);
                served = admitted
                    .services
                    .iter()
                    .map(|service| service.serial)
                    .collect();
            }
            Err(error) => tracing::error!(%error, "the routes stay as they are"),
        }
        tokio::time::sleep(REST_MIN.max(begun.elapsed() * REST_TO_BUILD)).await;
    }
}

/// Logs who is quarantined, once for each reason.
fn say(known: &mut Vec<Quarantined>, now: &[Quarantined]) {
    let is_same = |a: &Quarantined, b: &Quarantined| {
        (&a.service, &a.version, &a.reason) == (&b.service, &b.version, &b.reason)
    };
    for new in now {
        if !known.iter().any(|known| is_same(known, new)) {
            let Quarantined {
                service,
                version,
                reason,
                ..
            } = new;
            let version = version.as_deref().unwrap_or("of an unknown version");
            tracing::warn!("the service {service} {version} is quarantined: {reason}");
        }
    }
    now.clone_into(known);
}
