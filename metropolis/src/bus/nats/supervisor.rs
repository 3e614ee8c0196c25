//! The supervisor: puts a new link in the place of one that was lost, or is about to be.
//!
//! Whatever ends a link, the way back is the same: connect anew, to any server of the cluster, with what the files hold
//! by then; subscribe again to everything; go on. A server in lame duck mode is left before it closes the connection:
//! there a new link serves before the old one is drained.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::address::Address;
use super::link::Link;
use super::source::{self, Source};
use super::{Connection, connect, dial};

/// Troubles that may wait; there are few, and most are of a link that is gone by then.
pub(super) const TROUBLES: usize = 64;

/// A link that lived this long is replaced at once; after a shorter life, pauses grow.
const LONG_LIFE: Duration = Duration::from_secs(10);

/// How long what is under way over a link may take once another has taken over.
const HANDOVER: Duration = Duration::from_secs(8);

/// How long a server may take to confirm the subscriptions of a new link.
const CONFIRM: Duration = Duration::from_secs(5);

/// How often a handover from a lame duck is tried; after that the server ends the connection, as any other.
const HANDOVER_TRIES: usize = 5;

/// What a link cannot get over by itself.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It has ended, for this reason.
    Lost(Weak<Link>, String),
    /// Its server is about to close its connections.
    LameDuck(Weak<Link>),
}

impl Connection {
    /// Tells the supervisor, without waiting.
    pub(super) fn tell(&self, trouble: Trouble) {
        // A lame duck that is not heard of is lost later, as any other server; a loss must be heard of.
        if let Err(TrySendError::Full(lost @ Trouble::Lost(..))) = self.troubles.try_send(trouble) {
            let troubles = self.troubles.clone();
            tokio::spawn(async move { troubles.send(lost).await });
        }
    }
}

/// Attends to troubles as long as there is a connection.
pub(super) async fn supervise(mut troubles: mpsc::Receiver<Trouble>, connection: Weak<Connection>) {
    let mut lives = Lives::default();
    while let Some(trouble) = troubles.recv().await {
        match trouble {
            Trouble::LameDuck(link) => hand_over(&connection, &link).await,
            Trouble::Lost(link, why) => replace(&connection, &link, &why, &mut lives).await,
        }
    }
}

/// How long links lived lately, which bounds how often one is replaced.
#[derive(Debug, Default)]
struct Lives {
    last: Option<Instant>,
    short: usize,
}

impl Lives {
    /// The pause before the next link.
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

async fn replace(connection: &Weak<Connection>, link: &Weak<Link>, why: &str, lives: &mut Lives) {
    let Some(servers) = connection
        .upgrade()
        .and_then(|connection| connection.bury(link))
    else {
        return;
    };
    tracing::warn!(reason = why, "the connection to NATS is lost");
    let mut pause = lives.end();
    for attempt in 1.. {
        tokio::time::sleep(pause).await;
        // Held no longer than an attempt, so that a bus nobody holds any more ends.
        let Some(connection) = connection.upgrade() else {
            return;
        };
        if connection.mux.is_closed() || connection.come_back(&servers).await {
            return;
        }
        pause = connect::pause(attempt);
    }
}

/// Connects elsewhere first and leaves then: what is under way arrives over one link or the other.
async fn hand_over(connection: &Weak<Connection>, link: &Weak<Link>) {
    for attempt in 1..=HANDOVER_TRIES {
        let Some(connection) = connection.upgrade() else {
            return;
        };
        let old = connection.link().filter(|_| connection.is_current(link));
        let Some(old) = old else { return };
        if connection.overlap(old).await {
            return;
        }
        drop(connection);
        tokio::time::sleep(connect::pause(attempt)).await;
    }
}

impl Connection {
    /// Takes a link away, so that requests fail at once; gives the servers it knew. `None` for one of the past.
    fn bury(&self, link: &Weak<Link>) -> Option<Vec<Address>> {
        if !self.is_current(link) {
            return None;
        }
        let link = self.take_link()?;
        link.end();
        self.mux.connection_lost();
        Some(link.heard_of())
    }

    /// Connects again; says whether that went well.
    async fn come_back(self: &Arc<Self>, servers: &[Address]) -> bool {
        let Some(link) = self.dial(servers).await else {
            return false;
        };
        for source in self.sources() {
            subscribe(&source, &link);
        }
        if link.ping(Instant::now() + CONFIRM).await.is_err() || !self.install(&link) {
            link.end();
            return false;
        }
        self.restored.count(&self.restored.reconnects);
        tracing::info!("connected to NATS again");
        true
    }

    /// Lets a new link take over from one that still works; says whether there is one.
    ///
    /// Members of a queue may overlap. A plain subscription would hear everything twice, so it moves in one step.
    async fn overlap(self: &Arc<Self>, old: Arc<Link>) -> bool {
        let Some(new) = self.dial(&old.heard_of()).await else {
            return false;
        };
        let sources = self.sources();
        let shared = sources.iter().filter(|source| source.is_shared());
        let shared: Vec<u64> = shared.map(|source| subscribe(source, &new)).collect();
        if new.ping(Instant::now() + CONFIRM).await.is_err() || !self.install(&new) {
            new.end();
            return false;
        }
        // The plain ones, and whatever was subscribed on the old link meanwhile.
        for source in self.sources() {
            if !shared.contains(&source.sid) {
                let _ = old.unsubscribe(source.sid);
                subscribe(&source, &new);
            }
        }
        self.restored.count(&self.restored.rebuilds);
        tracing::info!("a new connection to NATS has taken over from one about to be closed");
        tokio::spawn(retire(old, shared));
        true
    }

    /// Connects to a server of the options, or to one of these; `None`, logged, when none is there.
    async fn dial(self: &Arc<Self>, servers: &[Address]) -> Option<Arc<Link>> {
        match dial::dial(&self.options, servers).await {
            Ok(dialled) => self.begin(dialled),
            Err(failed) => {
                tracing::error!(reason = %failed, "no new connection to NATS yet");
                None
            }
        }
    }
}

/// Subscribes without waiting for the confirmation; gives the number.
fn subscribe(source: &Source, link: &Link) -> u64 {
    // An error means that this link has ended as well, and then the supervisor hears of it.
    let _ = source.subscribe(link);
    source.sid
}

/// Gives a link up after everything sent over it has left, and everything still owed to it has come.
async fn retire(old: Arc<Link>, sids: Vec<u64>) {
    source::leave(&old, &sids, Instant::now() + HANDOVER).await;
    old.end();
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
