//! Keeps the routes in step with the services on the bus, and with the configuration: builds the next ones off the request
//! path and swaps them in.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::base::Base;
use super::board::Board;
use super::routes::Routes;
use crate::admission::Quarantined;
use crate::discovery::Seen;

/// The shortest time between two changes; what comes meanwhile comes together. The first one waits for nothing.
const REST_MIN: Duration = Duration::from_millis(5);

/// Building takes at most one part in so many of the time, however fast services come and go.
const REST_TO_BUILD: u32 = 4;

/// Follows both, the bus where somebody watches it, for as long as they may change. The board has the routes of `built`
/// alone.
pub(super) async fn follow(
    mut built: Arc<Base>,
    mut bases: watch::Receiver<Arc<Base>>,
    board: Arc<Board>,
    mut seen: Option<watch::Receiver<Seen>>,
) {
    let mut served = HashSet::new();
    let mut known = Vec::new();
    let mut was_empty = true;
    while changed(&mut bases, seen.as_mut()).await {
        let begun = Instant::now();
        let now = seen.as_mut().map(|seen| seen.borrow_and_update().clone());
        let now = now.unwrap_or_default();
        let (is_complete, is_empty) = (now.is_complete, now.is_empty());
        let base = Arc::clone(&bases.borrow_and_update());
        if is_empty && was_empty && Arc::ptr_eq(&base, &built) {
            board.hear(is_complete);
            continue;
        }
        let building = {
            let (base, served) = (Arc::clone(&base), served.clone());
            tokio::task::spawn_blocking(move || Routes::with(&base, &now, &served))
        };
        match building.await {
            Ok(routes) => {
                let admitted = Arc::clone(&routes.admitted);
                board.swap(routes);
                board.hear(is_complete);
                (was_empty, built) = (is_empty, base);
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

/// Waits for either; `false` when one ends.
async fn changed(
    base: &mut watch::Receiver<Arc<Base>>,
    seen: Option<&mut watch::Receiver<Seen>>,
) -> bool {
    let Some(seen) = seen else {
        return base.changed().await.is_ok();
    };
    tokio::select! {
        changed = base.changed() => changed.is_ok(),
        changed = seen.changed() => changed.is_ok(),
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
