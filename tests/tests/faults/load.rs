//! Closed-loop callers of one task, whose every outcome is counted by its kind.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use metropolis::bus::RequestError;
use metropolis::{Bus, CallError, Client};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::{Work, work};

/// A call of a second may take so long in all, its grace and a busy machine included; longer counts as hanging.
const HANGS_AFTER: Duration = Duration::from_millis(2500);

/// How long a caller rests after an error.
const REST: Duration = Duration::from_millis(2);

/// What became of all calls.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    /// The longest time from one answer to the next of any caller.
    pub(crate) gap: Duration,
    pub(crate) slowest: Duration,
}

impl Tally {
    /// Every call has one outcome, and those that are no values are of these kinds.
    pub(crate) fn assert_errors(&self, allowed: &[&str]) {
        let failed: u64 = self.errors.values().sum();
        assert_eq!(self.sent, self.answered + failed, "{self:?}");
        for kind in self.errors.keys() {
            assert!(allowed.contains(&kind.as_str()), "{kind} in {self:?}");
        }
        assert!(self.answered > 0, "{self:?}");
    }

    pub(crate) fn errors_of(&self, kind: &str) -> u64 {
        self.errors.get(kind).copied().unwrap_or(0)
    }

    fn add(mut self, other: Self) -> Self {
        self.sent += other.sent;
        self.answered += other.answered;
        self.gap = self.gap.max(other.gap);
        self.slowest = self.slowest.max(other.slowest);
        for (kind, count) in other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
        self
    }
}

/// Callers that go on until they are told to stop.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    answered: watch::Sender<u64>,
    callers: JoinSet<Tally>,
}

impl Load {
    pub(crate) fn start(bus: &Bus, callers: u64) -> Self {
        let (stop, _) = watch::channel(false);
        let (answered, _) = watch::channel(0);
        let mut set = JoinSet::new();
        for number in 0..callers {
            let client = Client::new(bus.clone());
            set.spawn(keep_calling(
                client,
                number,
                stop.subscribe(),
                answered.clone(),
            ));
        }
        Self {
            stop,
            answered,
            callers: set,
        }
    }

    /// Waits until that many more calls were answered.
    pub(crate) async fn goes_on(&self, further: u64) {
        let goal = *self.answered.borrow() + further;
        let mut answered = self.answered.subscribe();
        let reached = answered.wait_for(|count| *count >= goal);
        metropolis_tests::within(crate::PATIENCE, reached)
            .await
            .unwrap();
    }

    /// Waits for what is under way, and gives the outcome of everything.
    pub(crate) async fn stop(self) -> Tally {
        self.stop.send_replace(true);
        let tallies = self.callers.join_all().await;
        let tally = tallies.into_iter().fold(Tally::default(), Tally::add);
        eprintln!("{tally:?}");
        tally
    }
}

async fn keep_calling(
    client: Client,
    number: u64,
    stop: watch::Receiver<bool>,
    answered: watch::Sender<u64>,
) -> Tally {
    let mut tally = Tally::default();
    let mut last = Instant::now();
    while !*stop.borrow() {
        let ms = (tally.sent + number) % 4;
        let started = Instant::now();
        let call = client.call::<work>(&Work { ms }).into_future();
        let outcome = match tokio::time::timeout(HANGS_AFTER, call).await {
            Ok(Ok(answer)) if answer == ms => Ok(()),
            Ok(Ok(_)) => Err("the answer of another call".to_owned()),
            Ok(Err(error)) => Err(kind(&error)),
            Err(_) => Err("hangs".to_owned()),
        };
        tally.sent += 1;
        tally.slowest = tally.slowest.max(started.elapsed());
        match outcome {
            Ok(()) => {
                tally.answered += 1;
                tally.gap = tally.gap.max(last.elapsed());
                last = Instant::now();
                answered.send_modify(|count| *count += 1);
            }
            Err(kind) => {
                *tally.errors.entry(kind).or_default() += 1;
                tokio::time::sleep(REST).await;
            }
        }
    }
    tally
}

pub(crate) const LOST: &str = "lost";
pub(crate) const TIMED_OUT: &str = "timed out";
pub(crate) const NOT_SENT: &str = "not sent";
pub(crate) const NO_WORKER: &str = "no worker";

fn kind(error: &CallError) -> String {
    match error {
        CallError::ConnectionLost => LOST.to_owned(),
        CallError::TimedOut(_) => TIMED_OUT.to_owned(),
        CallError::NotSent(RequestError::NotConnected) => NOT_SENT.to_owned(),
        CallError::NoWorker(_) => NO_WORKER.to_owned(),
        error => error.to_string(),
    }
}
