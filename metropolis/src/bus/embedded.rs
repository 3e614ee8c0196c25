//! The in-process bus: the semantics of a NATS server that a program may rely on, without a server.
//!
//! It is never more lenient than a server, so that what works here works there. Messages are bytes here too, never
//! references to a caller's values. It cannot show what only a network can: reconnects, permissions, slow links.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Instant;

use tokio::sync::mpsc;

use self::table::{Mailbox, Table, To};
use super::mux::Mux;
use super::{
    Answer, CAPACITY_MAX, Counters, Incoming, Outgoing, PublishError, RequestError,
    SUBSCRIPTIONS_MAX, SubscribeError, Taker, check_limits,
};
use crate::subject::{Queue, Subject};
use crate::trace::TraceId;

mod table;

/// Bytes of payload and header block in one message: what a NATS server takes when nobody configured it.
pub(super) const PAYLOAD_MAX: usize = 1024 * 1024;

/// A bus inside this process; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Embedded(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    mux: Arc<Mux>,
    /// Replaced as a whole, so that deliveries never wait for a subscriber; `None` once closed.
    table: RwLock<Option<Arc<Table>>>,
    /// Numbers subscriptions.
    subscribed: AtomicU64,
    /// Numbers deliveries; scattered, it picks members of queue groups.
    delivered: AtomicU64,
    dropped: AtomicU64,
}

impl Embedded {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared {
            mux: Mux::new("embedded"),
            table: RwLock::new(Some(Arc::default())),
            subscribed: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }))
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.table().is_some()
    }

    pub(super) async fn request(
        &self,
        mut outgoing: Outgoing,
        deadline: Instant,
        trace: Option<TraceId>,
    ) -> Result<Answer, RequestError> {
        let (pending, reply) = self.0.mux.open(deadline, None, trace)?;
        outgoing.reply = Some(reply);
        if !self.0.send(outgoing)? {
            return Err(RequestError::NoResponders);
        }
        pending.await
    }

    pub(super) fn publish(&self, outgoing: Outgoing) -> Result<(), PublishError> {
        // As on a server, a message nobody subscribes to is gone.
        self.0.send(outgoing).map(drop)
    }

    pub(super) fn subscribe(
        &self,
        filter: &str,
        queue: Option<&Queue>,
        capacity: usize,
    ) -> Result<Subscription, SubscribeError> {
        let (sender, messages) = mpsc::channel(capacity.clamp(1, CAPACITY_MAX));
        Ok(Subscription {
            place: self.enter(filter, queue, To::Inlet(sender))?,
            messages,
        })
    }

    pub(super) fn serve(
        &self,
        filter: &str,
        queue: &Queue,
        taker: Taker,
    ) -> Result<Serving, SubscribeError> {
        Ok(Serving(self.enter(
            filter,
            Some(queue),
            To::Taker(taker),
        )?))
    }

    fn enter(&self, filter: &str, queue: Option<&Queue>, to: To) -> Result<Place, SubscribeError> {
        let id = self.0.subscribed.fetch_add(1, Ordering::Relaxed);
        let mailbox = Arc::new(Mailbox { id, to });
        let handed_over = Arc::downgrade(&mailbox);
        self.0.change(|table| {
            if table.len() >= SUBSCRIPTIONS_MAX {
                return Err(SubscribeError::TooMany);
            }
            Ok(table.with(filter, queue, mailbox))
        })?;
        Ok(Place {
            id,
            filter: filter.to_owned(),
            mailbox: handed_over,
            bus: Arc::clone(&self.0),
        })
    }

    pub(super) fn inbox(&self) -> Subject {
        self.0.mux.inbox()
    }

    /// Nothing is under way here: what was sent has been delivered.
    pub(super) fn fence(&self) -> Result<(), RequestError> {
        self.0.table().map(drop).ok_or(RequestError::NotConnected)
    }

    pub(super) fn counters(&self) -> Counters {
        Counters {
            in_flight: self.0.mux.in_flight(),
            late_replies: self.0.mux.late(),
            dropped: self.0.dropped.load(Ordering::Relaxed),
            ..Counters::default()
        }
    }

    /// Subscriptions end by themselves, because the table held the only senders of their channels.
    pub(super) fn close(&self) {
        let table = self
            .0
            .table
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(table);
        self.0.mux.close();
    }
}

impl Shared {
    /// Delivers to everyone who subscribes now; says whether anybody does.
    fn send(&self, outgoing: Outgoing) -> Result<bool, PublishError> {
        check_limits(&outgoing, PAYLOAD_MAX)?;
        let table = self.table().ok_or(PublishError::NotConnected)?;
        if self.mux.owns(&outgoing.subject) {
            if table.hears_replies()
                && let Some(interest) = table.interest(outgoing.subject.as_str())
            {
                self.deliver(&interest, outgoing.clone());
            }
            self.complete(outgoing);
            return Ok(true);
        }
        let Some(interest) = table.interest(outgoing.subject.as_str()) else {
            return Ok(false);
        };
        self.deliver(&interest, outgoing);
        Ok(true)
    }

    fn complete(&self, outgoing: Outgoing) {
        let answer = Answer {
            headers: outgoing.headers,
            payload: outgoing.payload,
        };
        self.mux.complete(&outgoing.subject, answer);
    }

    fn deliver(&self, interest: &table::Interest, outgoing: Outgoing) {
        let message = Incoming {
            subject: outgoing.subject,
            reply: outgoing.reply,
            headers: outgoing.headers,
            payload: outgoing.payload,
            arrived: Instant::now(),
        };
        let lost = interest.deliver(
            message,
            scatter(self.delivered.fetch_add(1, Ordering::Relaxed)),
        );
        if lost > 0 {
            self.dropped.fetch_add(lost, Ordering::Relaxed);
        }
    }

    fn table(&self) -> Option<Arc<Table>> {
        self.table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(
        &self,
        change: impl FnOnce(&Table) -> Result<Table, SubscribeError>,
    ) -> Result<(), SubscribeError> {
        let mut current = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let table = current.as_ref().ok_or(SubscribeError::NotConnected)?;
        *current = Some(Arc::new(change(table)?));
        Ok(())
    }
}

/// Spreads consecutive numbers over all 64 bits (SplitMix64), so that a queue's first choice looks random.
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A subscription's place in the table. Dropping it leaves.
#[derive(Debug)]
struct Place {
    id: u64,
    filter: String,
    /// Held by the table, and by deliveries that saw it there.
    mailbox: Weak<Mailbox>,
    bus: Arc<Shared>,
}

impl Place {
    fn leave(&self) {
        // An error means that the bus is closed, and then there is no table to leave.
        let _ = self
            .bus
            .change(|table| Ok(table.without(&self.filter, self.id)));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// What one subscriber of the in-process bus was sent.
#[derive(Debug)]
pub(super) struct Subscription {
    place: Place,
    messages: mpsc::Receiver<Incoming>,
}

impl Subscription {
    pub(super) async fn next(&mut self) -> Option<Incoming> {
        self.messages.recv().await
    }

    pub(super) fn try_next(&mut self) -> Option<Incoming> {
        self.messages.try_recv().ok()
    }

    /// Leaving is one step here. The channel ends once the last delivery that saw the old table is done with it.
    pub(super) fn drain(&mut self) {
        self.place.leave();
    }
}

/// A subscription whose messages are taken by whoever sends them.
#[derive(Debug)]
pub(in crate::bus) struct Serving(Place);

impl Serving {
    /// Returns once the last delivery that saw the old table is over, or at the deadline.
    pub(in crate::bus) async fn drain(self, deadline: Instant) {
        self.0.leave();
        while self.0.mailbox.strong_count() > 0 && Instant::now() < deadline {
            tokio::task::yield_now().await;
        }
    }
}
