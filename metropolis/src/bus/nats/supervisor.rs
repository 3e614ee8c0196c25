//! The supervisor: puts a new client in the place of one that is of no more use.
//!
//! The library reconnects by itself, but its connection task can die for good, of one message with malformed headers
//! (async-nats 0.51, until its pull request 1612), or be stuck on a silent server. And before a server in lame duck mode
//! closes the connection, a new one can take over without losing what is under way.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_nats::{Client, ServerAddr};
use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::connect::{self, Dialled};
use super::source::{self, Source};
use super::{Connection, lock};

/// Alarms that may wait; there are few, and most are of a client that is gone by then.
pub(super) const ALARMS: usize = 64;

/// A client that lived this long is replaced at once; after a shorter life, pauses grow.
const LONG_LIFE: Duration = Duration::from_secs(10);

/// How long what is under way over a client may take once another has taken over.
const HANDOVER: Duration = Duration::from_secs(8);

/// How often a handover from a lame duck is tried; after that the server ends the connection, as any other.
const HANDOVER_TRIES: usize = 5;

/// Trouble with a client that the library does not get over by itself.
#[derive(Debug, Clone)]
pub(super) enum Alarm {
    /// The client's task is gone.
    Died(Weak<Client>),
    /// The server is silent, and the client does not leave it.
    Silent(Weak<Client>),
    /// A server that once let the client in does not any more.
    Refused(Weak<Client>),
    /// The server is about to close its connections.
    LameDuck(Weak<Client>),
}

impl Connection {
    /// Tells the supervisor, without waiting.
    pub(super) fn raise(&self, alarm: Alarm) {
        // Full means that it is busy; the heartbeat raises again what is not over by then.
        let _ = self.alarms.try_send(alarm);
    }
}

/// Attends to alarms as long as there is a connection.
pub(super) async fn supervise(mut alarms: mpsc::Receiver<Alarm>, connection: Weak<Connection>) {
    let mut lives = Lives::default();
    while let Some(alarm) = alarms.recv().await {
        match alarm {
            Alarm::LameDuck(client) => hand_over(&connection, &client).await,
            Alarm::Died(client) => {
                let likely = "the NATS client has died, most likely of malformed headers from a peer; making a new one";
                rebuild(&connection, &client, likely, &mut lives).await;
            }
            Alarm::Refused(client) => {
                // The library would send the same credentials for ever; files may hold others by now.
                let why =
                    "the NATS server does not take the credentials any more; reading them again";
                rebuild(&connection, &client, why, &mut lives).await;
            }
            Alarm::Silent(client) => {
                let why = "the NATS client is stuck on a silent server; making a new one";
                rebuild(&connection, &client, why, &mut lives).await;
            }
        }
    }
}

/// How long clients lived lately, which bounds how often one is replaced.
#[derive(Debug, Default)]
struct Lives {
    last: Option<Instant>,
    short: usize,
}

impl Lives {
    /// The pause before the next client.
    fn end(&mut self) -> Duration {
        let is_short = self.last.is_some_and(|last| last.elapsed() < LONG_LIFE);
        self.short = if is_short { self.short + 1 } else { 0 };
        self.last = Some(Instant::now());
        match self.short {
            0 => Duration::ZERO,
            short => connect::pause(short),
        }
    }
}

async fn rebuild(
    connection: &Weak<Connection>,
    client: &Weak<Client>,
    why: &str,
    lives: &mut Lives,
) {
    let Some(servers) = connection
        .upgrade()
        .and_then(|connection| connection.bury(client))
    else {
        return;
    };
    tracing::error!("{why}");
    let mut pause = lives.end();
    for attempt in 1.. {
        tokio::time::sleep(pause).await;
        // Held no longer than an attempt, so that a bus nobody holds any more ends.
        let Some(connection) = connection.upgrade() else {
            return;
        };
        if connection.mux.is_closed() || connection.replace(&servers).await {
            return;
        }
        pause = connect::pause(attempt);
    }
}

/// Connects elsewhere first and leaves then: what is under way arrives over one connection or the other.
async fn hand_over(connection: &Weak<Connection>, client: &Weak<Client>) {
    for attempt in 1..=HANDOVER_TRIES {
        let Some(connection) = connection.upgrade() else {
            return;
        };
        let old = connection
            .connected_client()
            .filter(|_| connection.is_current(client));
        let Some(old) = old else { return };
        if connection.overlap(old).await {
            return;
        }
        drop(connection);
        tokio::time::sleep(connect::pause(attempt)).await;
    }
}

impl Connection {
    /// Takes a client away, so that requests fail at once; gives the servers it knew. `None` for one of the past.
    fn bury(&self, client: &Weak<Client>) -> Option<Vec<ServerAddr>> {
        if !self.is_current(client) {
            return None;
        }
        let client = lock(&self.client).take()?;
        self.payload_max
            .store(client.max_payload(), Ordering::Relaxed);
        self.mux.connection_lost();
        Some(connect::servers(&self.options, &client))
    }

    /// Connects again; says whether that went well.
    async fn replace(self: &Arc<Self>, servers: &[ServerAddr]) -> bool {
        let Some(client) = self.dial(servers).await else {
            return false;
        };
        for source in self.sources() {
            source.move_to(&client).await;
        }
        self.restored.count(&self.restored.rebuilds);
        tracing::info!("a new connection to NATS has taken over");
        true
    }

    /// Lets a new client take over from one that still works; says whether there is one.
    async fn overlap(self: &Arc<Self>, old: Arc<Client>) -> bool {
        let servers = connect::servers(&self.options, &old);
        let Some(new) = self.dial(&servers).await else {
            return false;
        };
        let mut retiring = Vec::new();
        for source in self.sources() {
            retiring.extend(source.hand_over(&new).await);
        }
        self.restored.count(&self.restored.rebuilds);
        tracing::info!("a new connection to NATS has taken over from one about to be closed");
        lock(&self.tasks).spawn(leave(Arc::downgrade(self), old, retiring));
        true
    }

    /// Connects to one of these servers and makes that the connection to use; `None`, logged, when none is there.
    async fn dial(self: &Arc<Self>, servers: &[ServerAddr]) -> Option<Arc<Client>> {
        let dialling = connect::dial(&self.options, servers, &self.lost.dropped);
        match dialling.await {
            Ok(dialled) => self.install(dialled).await,
            Err(failed) => {
                tracing::error!(reason = %failed, "no new connection to NATS yet");
                None
            }
        }
    }

    /// Makes a client the one to use, its inbox first; `None` when it has died already, or the bus was closed.
    pub(super) async fn install(self: &Arc<Self>, dialled: Dialled) -> Option<Arc<Client>> {
        let client = Arc::new(dialled.client);
        let inbox = client.subscribe(self.mux.filter()).await.ok()?;
        self.watch(&client, dialled.events, inbox);
        self.heart.trust();
        let mut current = lock(&self.client);
        // Asked under the lock under which a closing bus takes the client away.
        if self.mux.is_closed() {
            return None;
        }
        *current = Some(Arc::clone(&client));
        Some(Arc::clone(&client))
    }
}

/// Gives a client up after everything sent over it has left, and everything still owed to it has come.
async fn leave(connection: Weak<Connection>, old: Arc<Client>, retiring: Vec<Arc<Source>>) {
    let Some(connection) = connection.upgrade() else {
        return;
    };
    let deadline = Instant::now() + HANDOVER;
    let drains = retiring
        .into_iter()
        .map(|source| source::drain(source, Arc::clone(&connection), deadline));
    join_all(drains).await;
    if let Err(error) = connection.fence_over(&old, deadline).await {
        tracing::warn!(%error, "a connection was given up without knowing that everything left");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_replacement_is_at_once_and_others_soon_after_it_wait() {
        let mut lives = Lives::default();
        assert_eq!(lives.end(), Duration::ZERO);
        let pauses: Vec<Duration> = (0..10).map(|_| lives.end()).collect();
        assert!(pauses.iter().all(|pause| !pause.is_zero()), "{pauses:?}");
        assert!(pauses[9] >= Duration::from_secs(2), "{pauses:?}");
        lives.last = Instant::now().checked_sub(LONG_LIFE);
        assert_eq!(lives.end(), Duration::ZERO);
    }
}
