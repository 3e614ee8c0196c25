#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use std::time::Instant;

use bytes::Bytes;

use crate::subject::Subject;
use crate::wire::Headers;

/// A table under test, with the receiving end of each subscription.
#[derive(Default)]
struct Fixture {
    table: Table,
    received: Vec<mpsc::Receiver<Incoming>>,
}

impl Fixture {
    fn subscribe(mut self, filter: &str, queue: Option<&str>, capacity: usize) -> Self {
        let (sender, receiver) = mpsc::channel(capacity);
        let id = self.received.len() as u64;
        let queue = queue.map(|queue| Queue::parse(queue).unwrap());
        let to = To::Inlet(sender);
        self.table = self
            .table
            .with(filter, queue.as_ref(), Arc::new(Mailbox { id, to }));
        self.received.push(receiver);
        self
    }

    /// Sends one message; gives how many were lost, or `None` without interest.
    fn send(&self, subject: &str, choice: u64) -> Option<u64> {
        let message = Incoming {
            subject: Subject::parse(subject.to_owned()).unwrap(),
            reply: None,
            headers: Headers::new(),
            payload: Bytes::new(),
            arrived: Instant::now(),
        };
        Some(self.table.interest(subject)?.deliver(message, choice))
    }

    fn counts(&mut self) -> Vec<usize> {
        let count = |receiver: &mut mpsc::Receiver<Incoming>| {
            std::iter::from_fn(|| receiver.try_recv().ok()).count()
        };
        self.received.iter_mut().map(count).collect()
    }
}

#[test]
fn wildcards_match_whole_tokens() {
    for (filter, subject) in [
        ("*", "a"),
        ("a.*", "a.b"),
        ("*.b", "a.b"),
        (">", "a.b.c"),
        ("a.>", "a.b"),
        ("a.*.>", "a.b.c.d"),
    ] {
        assert!(matches(filter, subject), "{filter} {subject}");
    }
    for (filter, subject) in [
        ("*", "a.b"),
        ("a.>", "a"),
        ("a.*", "a"),
        ("a", "A"),
        ("a.b", "a"),
        ("a", "a.b"),
        ("a*", "ab"),
        ("a.>b", "a.c"),
    ] {
        assert!(!matches(filter, subject), "{filter} {subject}");
    }
}

#[test]
fn everyone_plain_gets_a_copy_and_one_of_each_queue() {
    let mut fixture = Fixture::default()
        .subscribe("a.b", None, 8)
        .subscribe("a.*", None, 8)
        .subscribe("a.b", Some("q"), 8)
        .subscribe("a.>", Some("q"), 8)
        .subscribe("a.b", Some("r"), 8);
    assert_eq!(fixture.send("a.b", 0), Some(0));
    let counts = fixture.counts();
    assert_eq!(
        (counts[0], counts[1], counts[2] + counts[3], counts[4]),
        (1, 1, 1, 1)
    );
}

#[test]
fn a_full_member_is_passed_over_and_a_full_queue_loses() {
    let mut fixture = Fixture::default()
        .subscribe("a", Some("q"), 1)
        .subscribe("a", Some("q"), 2);
    let lost: u64 = (0..5).map(|_| fixture.send("a", 0).unwrap()).sum();
    assert_eq!(lost, 2);
    assert_eq!(fixture.counts(), [1, 2]);
}

#[test]
fn who_leaves_is_forgotten_and_the_last_takes_the_interest_along() {
    let mut fixture = Fixture::default()
        .subscribe("a", Some("q"), 8)
        .subscribe("a", Some("q"), 8)
        .subscribe("b.*", None, 8);
    assert_eq!(fixture.table.len(), 3);
    fixture.table = fixture.table.without("a", 0).without("b.*", 2);
    assert_eq!(
        (fixture.send("a", 7), fixture.send("b.c", 7)),
        (Some(0), None)
    );
    assert_eq!(fixture.counts(), [0, 1, 0]);
    fixture.table = fixture.table.without("a", 1);
    assert_eq!((fixture.send("a", 7), fixture.table.len()), (None, 0));
}
