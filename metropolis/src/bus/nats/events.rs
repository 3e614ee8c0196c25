//! What follows from the client's events. The library awaits its callback, so the callback only passes them on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use async_nats::{Client, ClientError, ConnectErrorKind, Event, Subscriber};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::supervisor::Alarm;
use super::{Connection, lock, message};
use crate::bus::RequestError;

/// Events that may wait; they come one at a time and mean little work.
pub(super) const EVENTS: usize = 64;

/// Passes an event on without ever waiting; drops of slow subscriptions, which come in storms, are only counted.
pub(super) fn pass_on(event: Event, dropped: &AtomicU64, events: &mpsc::Sender<Event>) {
    match event {
        Event::SlowConsumer(_) => {
            if dropped.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::error!(
                    "a subscription is full and loses messages; further losses are only counted"
                );
            }
        }
        // Refusals come in storms too, and must leave room for what they may not displace: a lost connection.
        Event::ServerError(_) if events.capacity() < EVENTS / 2 => {}
        event => {
            // Full means that as many events wait: then one more of them tells nothing new.
            let _ = events.try_send(event);
        }
    }
}

/// Follows one client until it is gone.
async fn follow(
    mut events: mpsc::Receiver<Event>,
    client: Weak<Client>,
    connection: Weak<Connection>,
) {
    let mut was_connected = false;
    while let Some(event) = events.recv().await {
        let Some(connection) = connection.upgrade() else {
            return;
        };
        match event {
            Event::Connected => connection.meet(std::mem::replace(&mut was_connected, true)),
            Event::ServerError(error) => connection.hear(&error.to_string()),
            // What becomes of a client after another one has taken over is its own affair.
            _ if !connection.is_current(&client) => {}
            Event::Disconnected => connection.lose(),
            Event::LameDuckMode => connection.raise(Alarm::LameDuck(client.clone())),
            Event::ClientError(error) if is_refusal(&error) => {
                connection.raise(Alarm::Refused(client.clone()));
            }
            event => tracing::debug!(%event, "NATS client"),
        }
    }
}

/// Hands answers to the requests that wait for them.
async fn answers(mut inbox: Subscriber, client: Weak<Client>, connection: Weak<Connection>) {
    while let Some(message) = inbox.next().await {
        let Some(connection) = connection.upgrade() else {
            return;
        };
        if message::is_no_responders(&message) {
            connection
                .mux
                .fail(&message.subject, RequestError::NoResponders);
        } else if connection.heart.hears(&message.subject) {
            continue;
        } else if let Some(incoming) = message::incoming(message, None, &connection.lost.malformed)
        {
            connection.mux.complete(incoming);
        }
    }
    // Nothing but the end of the client's own task ends its inbox.
    if let Some(connection) = connection.upgrade() {
        connection.raise(Alarm::Died(client));
    }
}

impl Connection {
    /// Follows a client from here on.
    pub(super) fn watch(
        self: &Arc<Self>,
        client: &Arc<Client>,
        events: mpsc::Receiver<Event>,
        inbox: Subscriber,
    ) {
        let (client, connection) = (Arc::downgrade(client), Arc::downgrade(self));
        let mut tasks = lock(&self.tasks);
        // Those of earlier clients have ended; a set keeps what ended until somebody looks.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(follow(events, client.clone(), connection.clone()));
        tasks.spawn(answers(inbox, client, connection));
    }

    fn meet(&self, again: bool) {
        tracing::info!("connected to NATS");
        if again {
            self.restored.count(&self.restored.reconnects);
        }
    }

    fn lose(&self) {
        tracing::warn!("the connection to NATS is lost");
        self.heart.trust();
        self.mux.connection_lost();
        let Some(client) = self.client() else { return };
        self.sources()
            .iter()
            .for_each(|source| source.renew(&client));
    }

    /// A refused subscription would stay empty for ever, and a refused request would wait for its time-out.
    fn hear(&self, error: &str) {
        let errors = self.lost.errors.fetch_add(1, Ordering::Relaxed) + 1;
        // At 1, 2, 4, 8 … of them: whoever calls what is not permitted may call it often.
        if errors.is_power_of_two() {
            tracing::error!(error, errors, "the NATS server reports an error");
        }
        match refusal(error) {
            Some(Refusal::Publish(subject)) => self.mux.deny(subject),
            Some(Refusal::Subscribe(filter, None)) if filter == self.mux.filter() => {
                self.mux.deny_all();
            }
            Some(Refusal::Subscribe(filter, queue)) => self
                .sources()
                .iter()
                .filter(|source| source.is_of(filter, queue))
                .for_each(|source| source.deny()),
            None => {}
        }
    }
}

/// Whether the library failed to connect again because of its credentials. It passes on no more than a text.
fn is_refusal(error: &ClientError) -> bool {
    let kinds = [
        ConnectErrorKind::AuthorizationViolation,
        ConnectErrorKind::Authentication,
    ];
    matches!(error, ClientError::Other(text) if kinds.iter().any(|kind| kind.to_string() == *text))
}

/// What a server does not permit.
#[derive(Debug, PartialEq, Eq)]
enum Refusal<'e> {
    Publish(&'e str),
    /// Filter and queue.
    Subscribe(&'e str, Option<&'e str>),
}

/// Reads a refusal out of its text: nothing else tells what was refused.
fn refusal(error: &str) -> Option<Refusal<'_>> {
    let (_, what) = error.split_once("Permissions Violation for ")?;
    let mut quoted = what.split('"').skip(1).step_by(2);
    if what.starts_with("Publish to ") {
        quoted.next().map(Refusal::Publish)
    } else if what.starts_with("Subscription to ") {
        Some(Refusal::Subscribe(quoted.next()?, quoted.next()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal::{Publish, Subscribe};
    use super::refusal;

    #[test]
    fn what_was_refused_is_read_from_the_text() {
        for (text, expected) in [
            (
                r#"nats: Permissions Violation for Subscription to "a.*""#,
                Some(Subscribe("a.*", None)),
            ),
            (
                r#"nats: Permissions Violation for Subscription to "a.b" using queue "q""#,
                Some(Subscribe("a.b", Some("q"))),
            ),
            (
                r#"nats: Permissions Violation for Publish to "a.b""#,
                Some(Publish("a.b")),
            ),
            (
                r#"nats: Permissions Violation for Publish with Reply of "a.b""#,
                None,
            ),
            ("nats: Permissions Violation for Subscription to ", None),
            ("", None),
        ] {
            assert_eq!(refusal(text), expected, "{text}");
        }
    }
}
