//! What a server complains of. A refused subscription would stay empty for ever, and a refused request would wait for
//! its time-out; so both are told.

use std::sync::atomic::Ordering;

use super::Connection;

impl Connection {
    pub(super) fn hear(&self, error: &str) {
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

/// What a server does not permit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal<'e> {
    Publish(&'e str),
    /// Filter and queue.
    Subscribe(&'e str, Option<&'e str>),
}

/// Reads a refusal out of its text: nothing else tells what was refused.
pub(super) fn refusal(error: &str) -> Option<Refusal<'_>> {
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
                r#"Permissions Violation for Subscription to "a.*""#,
                Some(Subscribe("a.*", None)),
            ),
            (
                r#"Permissions Violation for Subscription to "a.b" using queue "q""#,
                Some(Subscribe("a.b", Some("q"))),
            ),
            (
                r#"Permissions Violation for Publish to "a.b""#,
                Some(Publish("a.b")),
            ),
            (
                r#"Permissions Violation for Publish with Reply of "a.b""#,
                None,
            ),
            ("Permissions Violation for Subscription to ", None),
            ("", None),
        ] {
            assert_eq!(refusal(text), expected, "{text}");
        }
    }
}
