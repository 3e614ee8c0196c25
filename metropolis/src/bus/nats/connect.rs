//! The first connection. What cannot get better by waiting is an error; a server that is not there yet is waited for.

use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::dial::{self, Dialled, Failed};
use super::options::Target;
use super::{
    ConnectError, Connection, Family, INBOX_SID, Lost, NatsOptions, Restored, lock, supervisor,
};
use crate::bus::RequestError;
use crate::bus::mux::Mux;

/// How long the server may take to confirm the subscription to the own inbox.
const INBOX_TIMEOUT: Duration = Duration::from_secs(5);

/// Pauses between attempts grow from the first to the second; each is between half of that and the whole.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(4));

pub(super) async fn connect(
    options: &NatsOptions,
    family: Arc<Family>,
) -> Result<Arc<Connection>, ConnectError> {
    let target = options.target()?;
    let started = Instant::now();
    for attempt in 1.. {
        let reason = match attempt_within(options, &family, &target, started).await {
            Ok(connection) => return Ok(connection),
            Err(Failed::ForGood(error)) => return Err(error),
            Err(Failed::Yet(reason)) => reason,
        };
        tracing::warn!(
            servers = target.servers(),
            reason,
            "NATS is not there yet; trying again"
        );
        let pause = pause(attempt);
        match options.connect_timeout {
            Some(timeout) if started.elapsed() + pause >= timeout => {
                return Err(ConnectError::Unreachable {
                    servers: target.servers(),
                    after: timeout,
                    reason,
                });
            }
            _ => tokio::time::sleep(pause).await,
        }
    }
    unreachable!("the attempts have no end")
}

async fn attempt_within(
    options: &NatsOptions,
    family: &Arc<Family>,
    target: &Target,
    started: Instant,
) -> Result<Arc<Connection>, Failed> {
    let Some(timeout) = options.connect_timeout else {
        return attempt(options, family, target).await;
    };
    let left = timeout.saturating_sub(started.elapsed());
    match tokio::time::timeout(left, attempt(options, family, target)).await {
        Ok(result) => result,
        Err(_) => Err(Failed::Yet("it did not answer in time".to_owned())),
    }
}

async fn attempt(
    options: &NatsOptions,
    family: &Arc<Family>,
    target: &Target,
) -> Result<Arc<Connection>, Failed> {
    let dialled = dial::dial(options, &[]).await?;
    let (troubles, told) = mpsc::channel(supervisor::TROUBLES);
    let connection = Arc::new(Connection {
        options: options.clone(),
        family: Arc::clone(family),
        link: Mutex::new(None),
        payload_max: AtomicUsize::new(dialled.server.max_payload),
        mux: Mux::new(&options.role),
        sources: Mutex::default(),
        sids: AtomicU64::new(INBOX_SID + 1),
        troubles,
        lost: Lost::default(),
        restored: Restored::default(),
        tasks: Mutex::new(JoinSet::new()),
    });
    check_inbox(&connection, dialled, target).await?;
    family.add(&connection);
    lock(&connection.tasks).spawn(supervisor::supervise(told, Arc::downgrade(&connection)));
    tracing::info!(servers = target.servers(), "connected to NATS");
    Ok(connection)
}

/// Without its inbox a bus gets no answer; better to hear of a missing permission now.
async fn check_inbox(
    connection: &Arc<Connection>,
    dialled: Dialled,
    target: &Target,
) -> Result<(), Failed> {
    let gone = || Failed::Yet("the server closed the connection".to_owned());
    let link = connection.begin(dialled).ok_or_else(gone)?;
    // A slot of its own, which a refusal of the inbox ends, before the answer to the ping.
    let pending = connection
        .mux
        .open(Instant::now() + INBOX_TIMEOUT, None, None);
    let (pending, _) = pending.map_err(|error| Failed::Yet(error.to_string()))?;
    let confirmed = link.ping(Instant::now() + INBOX_TIMEOUT).await;
    if let Some(Err(RequestError::Denied)) = pending.now_or_never() {
        return Err(Failed::ForGood(ConnectError::NoInbox {
            servers: target.servers(),
            inbox: format!("_INBOX_{}.", connection.options.role),
        }));
    }
    confirmed.map_err(|_| gone())?;
    connection.install(&link);
    Ok(())
}

/// Doubles from attempt to attempt; the upper half is random, so that a thousand workers do not come back at once.
pub(super) fn pause(attempt: usize) -> Duration {
    let (first, last) = PAUSE;
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = 2_u32
        .checked_pow(doublings)
        .and_then(|factor| first.checked_mul(factor))
        .unwrap_or(last)
        .min(last);
    // Without random numbers the pause is the longest one, which is fine for a herd of one.
    let share = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
    pause.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_within_their_bounds() {
        for attempt in [1, 2, 5, 40, usize::MAX] {
            let pause = pause(attempt);
            assert!(
                pause >= PAUSE.0 / 2 && pause <= PAUSE.1,
                "{attempt}: {pause:?}"
            );
        }
    }
}
