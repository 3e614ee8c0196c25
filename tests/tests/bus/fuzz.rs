//! The differential fuzzer: the same random operations on the embedded bus and on a real server, and what can be
//! observed of them must be equal.
//!
//! Which member of a queue gets a message is chance on both, so of a queue only its number of messages is compared, and
//! that no message came twice. Everything else is compared in full: what a plain subscription receives and in which
//! order, headers and payloads with it, and how each request and each publish ended. The seed of a failure is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use metropolis::bus::{Bus, Incoming, RequestError, Subscription};
use metropolis_tests::{NatsServer, within};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::parties::{PATIENCE, ROOM, after, connect, message, queue, soon, with_headers};

/// Sequences that are tried, and the operations of one.
const SEQUENCES: u32 = 60;
const OPERATIONS: std::ops::Range<usize> = 5..40;

/// For how long sequences are tried at most.
const TIME_MAX: Duration = Duration::from_secs(15);

const SUBJECTS: [&str; 5] = ["f.a", "f.b", "f.a.b", "f.b.a", "f.a.b.c"];
const FILTERS: [&str; 8] = [
    "f.a", "f.*", "f.>", "f.a.*", "f.*.b", "f.a.>", "f.b.a", "f.*.*.c",
];
const QUEUES: [&str; 2] = ["q", "r"];
const HEADERS: [(&str, &str); 4] = [("A", "1"), ("a", "2"), ("A", "three"), ("Empty", "")];

/// What one party does. Subscriptions are named by the order in which they were made.
#[derive(Debug, Clone)]
enum Operation {
    Subscribe {
        filter: usize,
        queue: Option<usize>,
    },
    Publish {
        subject: usize,
        headers: usize,
    },
    /// A request that nobody answers: it ends at once, or when its time is up.
    Request {
        subject: usize,
    },
    Drop {
        subscription: usize,
    },
    Drain {
        subscription: usize,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    let queues = prop::option::of(0..QUEUES.len());
    prop_oneof![
        3 => (0..FILTERS.len(), queues).prop_map(|(filter, queue)| Operation::Subscribe { filter, queue }),
        8 => (0..SUBJECTS.len(), 0..=HEADERS.len())
            .prop_map(|(subject, headers)| Operation::Publish { subject, headers }),
        1 => (0..SUBJECTS.len()).prop_map(|subject| Operation::Request { subject }),
        1 => (0..16_usize).prop_map(|subscription| Operation::Drop { subscription }),
        1 => (0..16_usize).prop_map(|subscription| Operation::Drain { subscription }),
    ]
}

/// A message as a receiver sees it; its payload is its number.
type Seen = (String, String, Vec<(String, String)>);

/// What can be observed of a sequence.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trace {
    /// How requests ended, in order.
    requests: Vec<Option<RequestError>>,
    /// What each plain subscription received, in order.
    plain: BTreeMap<usize, Vec<Seen>>,
    /// The messages of each queue, whoever got them.
    queues: BTreeMap<usize, BTreeSet<Seen>>,
}

/// A subscription that was made, until it is dropped or drained.
struct Made {
    queue: Option<usize>,
    subscription: Option<Subscription>,
}

struct Run {
    /// Publishes.
    one: Bus,
    /// Subscribes.
    other: Bus,
    /// Makes the subjects of this run its own, because they share a server.
    prefix: String,
    made: Vec<Made>,
    trace: Trace,
}

impl Run {
    async fn all(one: &Bus, other: &Bus, number: usize, operations: &[Operation]) -> Trace {
        let mut run = Self {
            one: one.clone(),
            other: other.clone(),
            prefix: format!("run{number}"),
            made: Vec::new(),
            trace: Trace::default(),
        };
        for (at, operation) in operations.iter().enumerate() {
            run.perform(at, operation).await;
        }
        run.settle().await;
        for at in 0..run.made.len() {
            run.collect(at);
        }
        run.trace
    }

    async fn perform(&mut self, at: usize, operation: &Operation) {
        match *operation {
            Operation::Subscribe { filter, queue } => self.subscribe(filter, queue).await,
            Operation::Publish { subject, headers } => {
                let subject = format!("{}.{}", self.prefix, SUBJECTS[subject]);
                let outgoing = with_headers(message(&subject, at.to_string()), &HEADERS[..headers]);
                self.one.publish(outgoing, soon()).await.unwrap();
            }
            Operation::Request { subject } => self.request(at, subject).await,
            Operation::Drop { subscription } => self.leave(subscription, false).await,
            Operation::Drain { subscription } => self.leave(subscription, true).await,
        }
    }

    async fn subscribe(&mut self, filter: usize, group: Option<usize>) {
        // What was published before must have passed, or the late-comer could see it on a server.
        self.settle().await;
        let filter = format!("{}.{}", self.prefix, FILTERS[filter]);
        let name = group.map(|group| queue(QUEUES[group]));
        let subscription = self.other.subscribe(&filter, name.as_ref(), ROOM).await;
        self.made.push(Made {
            queue: group,
            subscription: Some(subscription.unwrap()),
        });
    }

    async fn request(&mut self, at: usize, subject: usize) {
        self.settle().await;
        let subject = format!("{}.{}", self.prefix, SUBJECTS[subject]);
        let deadline = after(Duration::from_millis(60));
        let ended = self
            .one
            .request(message(&subject, at.to_string()), deadline)
            .await;
        self.trace.requests.push(ended.err());
    }

    /// Ends a subscription. All that was sent to it has arrived by then, so neither way may lose or add a message.
    async fn leave(&mut self, subscription: usize, drains: bool) {
        if self.made.is_empty() {
            return;
        }
        self.settle().await;
        let at = subscription % self.made.len();
        self.collect(at);
        let Some(mut leaving) = self.made[at].subscription.take() else {
            return;
        };
        if drains {
            leaving.drain(after(Duration::from_millis(700)));
            let rest = within(PATIENCE, async { leaving.next().await.is_some() });
            assert!(!rest.await, "a drained subscription received more");
        }
        drop(leaving);
        self.settle().await;
        // A subscriber that is gone is known to be gone when a request finds nobody.
        self.other.fence(soon()).await.unwrap();
    }

    /// Waits until everything published was passed on and has arrived.
    async fn settle(&self) {
        self.one.fence(soon()).await.unwrap();
        self.other.fence(soon()).await.unwrap();
    }

    fn collect(&mut self, at: usize) {
        let made = &mut self.made[at];
        let Some(subscription) = &mut made.subscription else {
            return;
        };
        let seen: Vec<Seen> = std::iter::from_fn(|| subscription.try_next())
            .map(|message| seen(&message, &self.prefix))
            .collect();
        match made.queue {
            None => self.trace.plain.entry(at).or_default().extend(seen),
            Some(queue) => {
                let group = self.trace.queues.entry(queue).or_default();
                for message in seen {
                    assert!(
                        group.insert(message.clone()),
                        "twice in a queue: {message:?}"
                    );
                }
            }
        }
    }
}

fn seen(message: &Incoming, prefix: &str) -> Seen {
    let mut headers: Vec<(String, String)> = message
        .headers
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // Across names there is no order; within one there is, and a stable sort keeps it.
    headers.sort_by(|a, b| a.0.cmp(&b.0));
    let subject = message.subject.as_str();
    let payload = String::from_utf8_lossy(&message.payload).into_owned();
    (
        subject.strip_prefix(prefix).unwrap_or(subject).to_owned(),
        payload,
        headers,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_operations_look_the_same_on_both() {
    let seed =
        std::env::var("FUZZ_SEED").map_or_else(|_| fresh_seed(), |seed| seed.parse().unwrap());
    eprintln!("FUZZ_SEED={seed}");
    let rng = proptest::test_runner::TestRng::from_seed(
        proptest::test_runner::RngAlgorithm::ChaCha,
        &bytes_of(seed),
    );
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let sequences = prop::collection::vec(operation(), OPERATIONS);
    let mut servers = Vec::new();
    for version in NatsServer::versions() {
        servers.push(NatsServer::of_version(version).await);
    }
    let mut buses = Vec::new();
    for server in &servers {
        buses.push((connect(&server.url()).await, connect(&server.url()).await));
    }
    let started = std::time::Instant::now();
    let mut tried = 0;
    while tried < SEQUENCES && started.elapsed() < TIME_MAX {
        let operations = sequences.new_tree(&mut runner).unwrap().current();
        let number = tried as usize;
        let bus = Bus::embedded();
        let expected = Run::all(&bus, &bus, number, &operations).await;
        for (one, other) in &buses {
            let actual = Run::all(one, other, number, &operations).await;
            assert_eq!(
                actual, expected,
                "FUZZ_SEED={seed}, sequence {tried}: {operations:#?}"
            );
        }
        tried += 1;
    }
    eprintln!("{tried} sequences in {:?}", started.elapsed());
    assert!(tried > 5, "only {tried} sequences were tried");
}

fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}

fn bytes_of(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes
}
