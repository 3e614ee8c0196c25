//! What follows from the client's events. The library awaits its callback, so the callback only passes them on.

use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::{Event, Subscriber};
use futures_util::StreamExt;
use tokio::sync::mpsc;

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
        event => {
            // Full means that 64 events wait: then one more of them tells nothing new.
            let _ = events.try_send(event);
        }
    }
}

/// Follows a connection until its client is gone.
pub(super) async fn follow(mut events: mpsc::Receiver<Event>, connection: Weak<Connection>) {
    while let Some(event) = events.recv().await {
        let Some(connection) = connection.upgrade() else {
            return;
        };
        match event {
            Event::Disconnected => connection.lose(),
            Event::Connected => tracing::info!("connected to NATS"),
            Event::ServerError(error) => connection.hear(&error.to_string()),
            event => tracing::debug!(%event, "NATS client"),
        }
    }
}

/// Hands answers to the requests that wait for them.
pub(super) async fn answers(mut inbox: Subscriber, connection: Weak<Connection>) {
    while let Some(message) = inbox.next().await {
        let Some(connection) = connection.upgrade() else {
            return;
        };
        if message::is_no_responders(&message) {
            connection
                .mux
                .fail(&message.subject, RequestError::NoResponders);
        } else if let Some(incoming) = message::incoming(message, None, &connection.lost.malformed)
        {
            connection.mux.complete(incoming);
        }
    }
    if let Some(connection) = connection.upgrade() {
        connection.bury();
    }
}

impl Connection {
    fn lose(&self) {
        tracing::warn!("the connection to NATS is lost");
        self.mux.connection_lost();
        let Some(client) = self.client() else { return };
        self.sources()
            .iter()
            .for_each(|source| source.renew(&client));
    }

    /// A refused subscription would stay empty for ever; ending it tells whoever made it.
    fn hear(&self, error: &str) {
        tracing::error!(error, "the NATS server reports an error");
        let Some((filter, queue)) = denied(error) else {
            return;
        };
        self.sources()
            .iter()
            .filter(|source| source.is_of(filter, queue))
            .for_each(|source| source.deny());
    }

    /// The client's task is gone, which its state does not tell; from here on nothing may be queued.
    fn bury(&self) {
        tracing::error!(
            "the NATS client has died, probably of malformed headers from a peer; this bus is closed"
        );
        lock(&self.client).take();
        self.mux.close();
    }
}

/// Filter and queue of a subscription a server refused, out of its text: nothing else tells which one it was.
fn denied(error: &str) -> Option<(&str, Option<&str>)> {
    let (_, quoted) = error.split_once("Permissions Violation for Subscription to \"")?;
    let (filter, rest) = quoted.split_once('"')?;
    let queue = rest.split('"').nth(1);
    Some((filter, queue))
}

#[cfg(test)]
mod tests {
    use super::denied;

    #[test]
    fn filter_and_queue_are_read_from_the_text_of_a_refusal() {
        let plain = r#"nats: Permissions Violation for Subscription to "a.*""#;
        let queue = r#"nats: Permissions Violation for Subscription to "a.b" using queue "q""#;
        assert_eq!(
            (denied(plain), denied(queue)),
            (Some(("a.*", None)), Some(("a.b", Some("q"))))
        );
        let publish = r#"nats: Permissions Violation for Publish to "a.b""#;
        assert_eq!((denied(publish), denied("")), (None, None));
    }
}
