//! The first connection. What cannot get better by waiting is an error; a server that is not there yet is waited for.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::heartbeat::{self, Heart};
use super::options::{Credentials, Target};
use super::supervisor::{self, Alarm};
use super::{ConnectError, Connection, Lost, NatsOptions, Restored, lock, watch};
use crate::bus::CAPACITY_MAX;
use crate::bus::mux::Mux;

/// The oldest server that has what the framework needs.
const SERVER_MIN: (u64, u64) = (2, 10);

/// How long one attempt may take, handshake included.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How long the first message to the own inbox may take.
const INBOX_TIMEOUT: Duration = Duration::from_secs(5);

/// The client notices a silent server after three of these.
const PING_INTERVAL: Duration = Duration::from_secs(3);

/// Commands that may wait for the socket; every send has a deadline of its own.
const COMMANDS: usize = 8192;

/// Pauses between attempts grow from the first to the second; each is between half of that and the whole.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(4));

/// How an attempt ended that did not give a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// It may go better next time.
    #[error("{0}")]
    Yet(String),
    #[error(transparent)]
    ForGood(ConnectError),
}

pub(super) async fn connect(options: &NatsOptions) -> Result<Arc<Connection>, ConnectError> {
    let target = options.target()?;
    let started = Instant::now();
    for attempt in 1.. {
        let reason = match attempt_within(options, &target, started).await {
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
    target: &Target,
    started: Instant,
) -> Result<Arc<Connection>, Failed> {
    let Some(timeout) = options.connect_timeout else {
        return attempt(options, target).await;
    };
    let left = timeout.saturating_sub(started.elapsed());
    match tokio::time::timeout(left, attempt(options, target)).await {
        Ok(result) => result,
        Err(_) => Err(Failed::Yet("it did not answer in time".to_owned())),
    }
}

async fn attempt(options: &NatsOptions, target: &Target) -> Result<Arc<Connection>, Failed> {
    let lost = Lost::default();
    let dialled = dial(options, &target.servers, &lost.dropped).await?;
    let (alarms, raised) = mpsc::channel(supervisor::ALARMS);
    let connection = assemble(dialled, lost, alarms, options).await?;
    check_inbox(&connection, options, target).await?;
    // Not before: without its inbox a bus would seem to have a silent server.
    let mut tasks = lock(&connection.tasks);
    tasks.spawn(heartbeat::beat(Arc::downgrade(&connection)));
    tasks.spawn(supervisor::supervise(raised, Arc::downgrade(&connection)));
    drop(tasks);
    Ok(connection)
}

/// A client that has connected, and its events from the first one on.
pub(super) struct Dialled {
    pub(super) client: Client,
    pub(super) events: mpsc::Receiver<Event>,
}

/// Connects once, to the first of these servers that is there.
pub(super) async fn dial(
    options: &NatsOptions,
    servers: &[ServerAddr],
    dropped: &Arc<AtomicU64>,
) -> Result<Dialled, Failed> {
    let target = options.target().map_err(Failed::ForGood)?;
    let (sender, events) = mpsc::channel(watch::EVENTS);
    let dropped = Arc::clone(dropped);
    let client = client_options(options, &target)
        .event_callback(move |event: Event| {
            watch::pass_on(event, &dropped, &sender);
            std::future::ready(())
        })
        .connect(servers)
        .await
        .map_err(|error| failed(&error, &target))?;
    check_version(&client, &target)?;
    Ok(Dialled { client, events })
}

/// The servers of the options, and those a client has heard of since.
pub(super) fn servers(options: &NatsOptions, client: &Client) -> Vec<ServerAddr> {
    let mut servers = options.target().map_or(Vec::new(), |target| target.servers);
    let heard = client.server_info().connect_urls;
    for server in heard.iter().filter_map(|url| url.parse().ok()) {
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    servers
}

async fn assemble(
    dialled: Dialled,
    lost: Lost,
    alarms: mpsc::Sender<Alarm>,
    options: &NatsOptions,
) -> Result<Arc<Connection>, Failed> {
    let mux = Mux::new(&options.role);
    let connection = Arc::new(Connection {
        options: options.clone(),
        client: Mutex::new(None),
        payload_max: AtomicUsize::new(dialled.client.max_payload()),
        heart: Heart::new(mux.subject("beat")),
        mux,
        sources: Mutex::default(),
        alarms,
        lost,
        restored: Restored::default(),
        tasks: Mutex::new(JoinSet::new()),
    });
    let installed = connection.install(dialled).await;
    installed.ok_or_else(|| Failed::Yet("the client has died".to_owned()))?;
    Ok(connection)
}

/// Without its inbox a bus gets no answer; better to hear of a missing permission now.
async fn check_inbox(
    connection: &Connection,
    options: &NatsOptions,
    target: &Target,
) -> Result<(), Failed> {
    use crate::bus::RequestError::{Denied, TimedOut};
    match connection.fence(Instant::now() + INBOX_TIMEOUT).await {
        Ok(()) => Ok(()),
        Err(TimedOut | Denied) => Err(Failed::ForGood(ConnectError::NoInbox {
            servers: target.servers(),
            inbox: format!("_INBOX_{}.", options.role),
        })),
        Err(error) => Err(Failed::Yet(error.to_string())),
    }
}

fn client_options(options: &NatsOptions, target: &Target) -> ConnectOptions {
    let connected = AtomicBool::new(false);
    let client = ConnectOptions::new()
        .name(&options.name)
        .connection_timeout(ATTEMPT)
        .ping_interval(PING_INTERVAL)
        .client_capacity(COMMANDS)
        .subscription_capacity(CAPACITY_MAX)
        .reconnect_delay_callback(move |attempt| {
            // The library asks before its very first attempt too.
            let first = !connected.swap(true, Ordering::Relaxed);
            if first {
                Duration::ZERO
            } else {
                pause(attempt)
            }
        });
    match target.credentials.clone() {
        Credentials::None => client,
        Credentials::Token(token) => client.token(token),
        Credentials::User { name, password } => client.user_and_password(name, password),
    }
}

fn failed(error: &async_nats::ConnectError, target: &Target) -> Failed {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            Failed::ForGood(ConnectError::Refused {
                servers: target.servers(),
            })
        }
        _ => Failed::Yet(error.to_string()),
    }
}

fn check_version(client: &Client, target: &Target) -> Result<(), Failed> {
    let version = client.server_info().version;
    if is_new_enough(&version) {
        return Ok(());
    }
    Err(Failed::ForGood(ConnectError::TooOld {
        servers: target.servers(),
        version,
    }))
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= SERVER_MIN
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
    fn versions_are_compared_by_number() {
        for version in ["2.10.0", "2.10.26", "2.14.6", "2.15.0-dev", "3.0.0"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["2.9.10", "1.4.1", "", "two"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }

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
