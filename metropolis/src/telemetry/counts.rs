//! What one task of a worker counts: written with every call, read by `STATS` and by whoever scrapes.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::histogram::Histogram;
use super::tally::Tally;
use crate::fault::Fault;
use crate::live::{Bounds, Limits};
use crate::wire::{NotStarted, Reply, one_line};

/// The text of a last error is cut at this many characters, so that `STATS` stays small.
const LAST_ERROR_MAX: usize = 160;

/// Codes of faults that are counted apart, for a task; all others count as `other`.
const CODES_MAX: usize = 32;

/// Subjects that a task calls and that are counted apart; all others count as `other`.
const CALLED_MAX: usize = 64;

/// Counters of one task. Relaxed: they need not agree with each other to the last request.
#[derive(Debug)]
pub(crate) struct Counts {
    /// The task's name.
    pub(crate) task: &'static str,
    limits: Limits,
    /// Whether durations are sorted into buckets; what is counted is counted in any case.
    measures: bool,
    replies: AtomicU64,
    faults: AtomicU64,
    busy: AtomicU64,
    expired: AtomicU64,
    refused: AtomicU64,
    running: AtomicUsize,
    waiting: AtomicUsize,
    durations: Histogram,
    queue_ages: Histogram,
    failures: Mutex<Failures>,
    called: Mutex<Tally>,
}

/// What is known of faults, apart from their number.
#[derive(Debug)]
struct Failures {
    last_error: String,
    by_code: Tally,
}

/// Everything at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) requests: u64,
    pub(crate) faults: u64,
    pub(crate) busy: u64,
    pub(crate) expired: u64,
    pub(crate) refused: u64,
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    pub(crate) concurrency: usize,
    pub(crate) is_paused: bool,
    pub(crate) durations: super::Distribution,
    pub(crate) queue_ages: super::Distribution,
    pub(crate) faults_by_code: Tally,
}

impl Counts {
    /// Counters of a task, all at zero.
    pub(crate) fn new(task: &'static str, bounds: Bounds, measures: bool) -> Self {
        Self {
            task,
            limits: Limits::new(bounds),
            measures,
            replies: AtomicU64::default(),
            faults: AtomicU64::default(),
            busy: AtomicU64::default(),
            expired: AtomicU64::default(),
            refused: AtomicU64::default(),
            running: AtomicUsize::default(),
            waiting: AtomicUsize::default(),
            durations: Histogram::default(),
            queue_ages: Histogram::default(),
            failures: Mutex::new(Failures {
                last_error: String::new(),
                by_code: Tally::new(CODES_MAX),
            }),
            called: Mutex::new(Tally::new(CALLED_MAX)),
        }
    }

    /// What bounds the task's calls now.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Notes that a call starts, so long after its message arrived.
    pub(crate) fn start(&self, queue_age: Duration) {
        if self.measures {
            self.queue_ages.observe(queue_age);
        }
    }

    /// Counts a request by its reply. Three additions for a value, which is what most replies are.
    pub(crate) fn reply(&self, reply: &Reply, took: Duration) {
        self.replies.fetch_add(1, Relaxed);
        match reply {
            Reply::NotStarted(NotStarted::Busy { .. }) => {
                self.busy.fetch_add(1, Relaxed);
                return;
            }
            Reply::NotStarted(NotStarted::Expired) => {
                self.expired.fetch_add(1, Relaxed);
                return;
            }
            Reply::Fault(fault) => self.fault(fault),
            Reply::Success(_) => {}
        }
        if self.measures {
            self.durations.observe(took);
        } else {
            self.durations.add(took);
        }
    }

    fn fault(&self, fault: &Fault) {
        self.faults.fetch_add(1, Relaxed);
        let text = format!("{}:{}", fault.status(), one_line(fault.message()));
        let mut failures = self.failures();
        failures.last_error = text.chars().take(LAST_ERROR_MAX).collect();
        failures.by_code.add(fault.code());
    }

    /// Counts a request that was not run because of its reply subject.
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Counts a call that this task makes of another, by the subject as it was declared.
    pub(crate) fn call(&self, subject: &'static str) {
        let mut called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        called.add(Cow::Borrowed(subject));
    }

    /// Notes how many calls run and wait; its caller holds the lock under which they change.
    pub(crate) fn set_places(&self, running: usize, waiting: usize) {
        self.running.store(running, Relaxed);
        self.waiting.store(waiting, Relaxed);
    }

    /// The last fault, as `<status>:<text>`; empty when there was none.
    pub(crate) fn last_error(&self) -> String {
        self.failures().last_error.clone()
    }

    /// The subjects that this task has called, and how often.
    pub(crate) fn called(&self) -> Tally {
        let called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        called.clone()
    }

    pub(crate) fn read(&self) -> Figures {
        Figures {
            requests: self.replies.load(Relaxed),
            faults: self.faults.load(Relaxed),
            busy: self.busy.load(Relaxed),
            expired: self.expired.load(Relaxed),
            refused: self.refused.load(Relaxed),
            running: self.running.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            concurrency: self.limits.concurrency(),
            is_paused: self.limits.is_paused(),
            durations: self.durations.read(),
            queue_ages: self.queue_ages.read(),
            faults_by_code: self.failures().by_code.clone(),
        }
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        // Both are replaced or added to as a whole, so a poisoned lock holds good ones.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Figures {
    /// Adds those of the same task on another bus.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.faults += other.faults;
        self.busy += other.busy;
        self.expired += other.expired;
        self.refused += other.refused;
        self.running += other.running;
        self.waiting += other.waiting;
        self.concurrency += other.concurrency;
        self.is_paused &= other.is_paused;
        self.durations.merge(&other.durations);
        self.queue_ages.merge(&other.queue_ages);
        self.faults_by_code.merge(&other.faults_by_code);
    }
}
