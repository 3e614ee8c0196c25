//! What one task of a worker counts for `STATS`: written with every reply, read when somebody asks.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::answers::{Endpoint, EndpointStats};
use crate::live::Limits;
use crate::wire::{NotStarted, Reply, one_line};

/// The text of a last error is cut at this many bytes, so that `STATS` stays small.
const LAST_ERROR_MAX: usize = 160;

/// Counters of one task. Relaxed: they need not agree with each other to the last request.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    replies: AtomicU64,
    processing_ns: AtomicU64,
    faults: AtomicU64,
    busy: AtomicU64,
    expired: AtomicU64,
    refused: AtomicU64,
    in_flight: AtomicUsize,
    last_error: Mutex<String>,
}

impl Counts {
    /// Counts a request by its reply. Two additions for a value, which is what most replies are.
    pub(crate) fn reply(&self, reply: &Reply, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.replies.fetch_add(1, Relaxed);
        self.processing_ns.fetch_add(nanoseconds, Relaxed);
        match reply {
            Reply::Success(_) => 0,
            Reply::NotStarted(NotStarted::Busy { .. }) => self.busy.fetch_add(1, Relaxed),
            Reply::NotStarted(NotStarted::Expired) => self.expired.fetch_add(1, Relaxed),
            Reply::Fault(fault) => {
                let text = format!("{}:{}", fault.status(), one_line(fault.message()));
                *self.last_error() = text.chars().take(LAST_ERROR_MAX).collect();
                self.faults.fetch_add(1, Relaxed)
            }
        };
    }

    /// Counts a request that was not run because of its reply subject.
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Notes how many calls run and wait; its caller holds the lock under which they change.
    pub(crate) fn set_in_flight(&self, in_flight: usize) {
        self.in_flight.store(in_flight, Relaxed);
    }

    pub(super) fn stats(&self, endpoint: &Endpoint, limits: &Limits) -> EndpointStats {
        let replies = self.replies.load(Relaxed);
        let processing_ns = self.processing_ns.load(Relaxed).min(i64::MAX as u64);
        EndpointStats {
            name: endpoint.name.clone(),
            subject: endpoint.subject.clone(),
            queue_group: endpoint.queue_group.clone(),
            num_requests: replies,
            num_errors: self.faults.load(Relaxed),
            last_error: self.last_error().clone(),
            processing_time: processing_ns,
            average_processing_time: processing_ns.checked_div(replies).unwrap_or(0),
            data: Some(json!({
                "busy": self.busy.load(Relaxed),
                "expired": self.expired.load(Relaxed),
                "refused": self.refused.load(Relaxed),
                "in_flight": self.in_flight.load(Relaxed),
                "concurrency": limits.concurrency(),
                "timeout_ms": u64::try_from(limits.timeout().as_millis()).unwrap_or(u64::MAX),
                "paused": limits.is_paused(),
            })),
        }
    }

    fn last_error(&self) -> std::sync::MutexGuard<'_, String> {
        // A text is replaced as a whole, so a poisoned lock holds a whole one.
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
