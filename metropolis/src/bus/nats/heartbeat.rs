//! The heartbeat: a message to the own inbox every so often, to notice a server that is there and does nothing.
//!
//! The library would notice after three silent ping intervals, and only after the last of what it had read. Two missed
//! beats make the server suspect: nothing more is sent, and the client is told to connect anew. Two more, and the client
//! is replaced. All this is one task of its own, so no task of the user's can hold it up for longer than its thread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_nats::Client;
use async_nats::connection::State;

use super::supervisor::Alarm;
use super::{Connection, within};
use crate::bus::Outgoing;
use crate::subject::Subject;

/// Time between two beats. A silent server is suspect after two of these and one of the next at most, 2.1 seconds, which
/// leaves room for a beat that was late, within the three seconds that are promised.
const EVERY: Duration = Duration::from_millis(750);

/// Time between beats once one was missed.
const EVERY_AFTER_MISS: Duration = Duration::from_millis(600);

/// A beat this late says that the own process was held up. What was missed meanwhile may only not have been read yet.
const LATE: Duration = Duration::from_millis(250);

/// Missed beats in a row after which nothing is sent to the server any more.
const SUSPECT_AFTER: u32 = 2;

/// Missed beats in a row after which the client is replaced.
const REPLACE_AFTER: u32 = 4;

/// How long the client may take to accept a beat, or to be told to reconnect.
const ACCEPT: Duration = Duration::from_millis(250);

/// What beats have shown.
#[derive(Debug)]
pub(super) struct Heart {
    subject: Subject,
    heard: AtomicU64,
    suspect: AtomicBool,
}

impl Heart {
    /// Beats on this subject of the own inbox.
    pub(super) fn new(subject: Subject) -> Self {
        Self {
            subject,
            heard: AtomicU64::new(0),
            suspect: AtomicBool::new(false),
        }
    }

    /// Takes a message if it is a beat.
    pub(super) fn hears(&self, subject: &str) -> bool {
        let is_beat = subject == self.subject.as_str();
        if is_beat {
            self.heard.fetch_add(1, Ordering::Relaxed);
            self.suspect.store(false, Ordering::Relaxed);
        }
        is_beat
    }

    /// Whether the server has missed beats, although the connection to it stands.
    pub(super) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    /// Another connection starts without blame.
    pub(super) fn trust(&self) {
        self.suspect.store(false, Ordering::Relaxed);
    }
}

/// Beats as long as there is a connection.
pub(super) async fn beat(connection: Weak<Connection>) {
    let mut pulse = Pulse::default();
    loop {
        let due = Instant::now() + pulse.pause();
        tokio::time::sleep_until(due.into()).await;
        let was_late = due.elapsed() > LATE;
        let Some(connection) = connection.upgrade() else {
            return;
        };
        pulse.take(&connection, was_late).await;
    }
}

/// What the beating task remembers from beat to beat.
#[derive(Debug, Default)]
struct Pulse {
    heard: u64,
    missed: u32,
    /// The client that was sent the last beat. Another one owes no answer yet.
    asked: Weak<Client>,
}

impl Pulse {
    fn pause(&self) -> Duration {
        if self.missed == 0 {
            EVERY
        } else {
            EVERY_AFTER_MISS
        }
    }

    async fn take(&mut self, connection: &Connection, was_late: bool) {
        let connected = connection
            .client()
            .filter(|client| client.connection_state() == State::Connected);
        let Some(client) = connected else {
            // Not silent but gone, which others see to.
            *self = Self {
                heard: self.heard,
                ..Self::default()
            };
            connection.heart.trust();
            return;
        };
        self.judge(connection, was_late);
        if self.missed == SUSPECT_AFTER {
            suspect(connection, &client).await;
        } else if self.missed >= REPLACE_AFTER {
            self.missed = 0;
            connection.raise(Alarm::Silent(Arc::downgrade(&client)));
        }
        self.asked = Arc::downgrade(&client);
        // A beat that the client does not take is a missed one.
        let beat = Outgoing::empty(connection.heart.subject.clone());
        let _ = connection
            .send(&client, beat, Instant::now() + ACCEPT)
            .await;
    }

    fn judge(&mut self, connection: &Connection, was_late: bool) {
        let heard = connection.heart.heard.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.heard, heard) != heard || !connection.is_current(&self.asked)
        {
            self.missed = 0;
        } else if !was_late {
            self.missed += 1;
        }
    }
}

async fn suspect(connection: &Connection, client: &Client) {
    tracing::warn!("the NATS server has fallen silent; connecting anew");
    connection.heart.suspect.store(true, Ordering::Relaxed);
    // A client that is stuck does not hear of it and is replaced some beats later.
    let _ = within(Instant::now() + ACCEPT, client.force_reconnect()).await;
}
