//! Sums: the numbers of many endpoints as one, for a task over its instances and for an instance over its tasks. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::readings::{Quantiles, Reading};

/// The numbers of some endpoints together. What nobody said is absent, which is not the same as zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Sum {
    /// Endpoints that are in it.
    pub(super) endpoints: usize,
    pub(super) requests: u64,
    pub(super) faults: u64,
    /// Per second.
    pub(super) rate: Option<f64>,
    pub(super) fault_rate: Option<f64>,
    /// Of the requests since the question before, or of all where there were none; in milliseconds.
    pub(super) average_ms: Option<f64>,
    pub(super) busy: Option<u64>,
    pub(super) expired: Option<u64>,
    pub(super) refused: Option<u64>,
    pub(super) in_flight: Option<u64>,
    pub(super) waiting: Option<u64>,
    pub(super) concurrency: Option<u64>,
    /// The shortest.
    pub(super) timeout_ms: Option<u64>,
    /// Endpoints that are paused.
    pub(super) paused: Option<u64>,
    pub(super) codes: BTreeMap<String, u64>,
    /// Of the slowest endpoint: quantiles cannot be added.
    pub(super) latency_ms: Option<Quantiles>,
    pub(super) queue_age_ms: Option<Quantiles>,
    pub(super) last_error: String,
    #[serde(skip)]
    all: Span,
    #[serde(skip)]
    recent: Span,
}

/// Requests, and the time spent on them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Span {
    requests: u64,
    processing_ns: u64,
}

impl Sum {
    /// Takes in one endpoint. Of one that has fallen silent only the totals count.
    pub(super) fn add(&mut self, reading: &Reading, is_silent: bool) {
        let said = &reading.said;
        self.endpoints += 1;
        self.requests = self.requests.saturating_add(said.num_requests);
        self.faults = self.faults.saturating_add(said.num_errors);
        self.all.add(said.num_requests, said.processing_time);
        for (code, count) in &said.data.faults {
            let sum = self.codes.entry(code.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        for (sum, said) in [
            (&mut self.busy, said.data.busy),
            (&mut self.expired, said.data.expired),
            (&mut self.refused, said.data.refused),
        ] {
            *sum = added(*sum, said);
        }
        if !said.last_error.is_empty() {
            self.last_error.clone_from(&said.last_error);
        }
        if !is_silent {
            self.add_present(reading);
        }
        let span = if self.recent.requests > 0 {
            self.recent
        } else {
            self.all
        };
        self.average_ms = span.average_ms();
    }

    /// Takes in what is true of now.
    fn add_present(&mut self, reading: &Reading) {
        let data = &reading.said.data;
        for (sum, said) in [
            (&mut self.in_flight, data.in_flight),
            (&mut self.waiting, data.waiting),
            (&mut self.concurrency, data.concurrency),
            (&mut self.paused, data.paused.map(u64::from)),
        ] {
            *sum = added(*sum, said);
        }
        self.timeout_ms = [self.timeout_ms, data.timeout_ms]
            .into_iter()
            .flatten()
            .min();
        self.latency_ms = slower(self.latency_ms, data.latency_ms);
        self.queue_age_ms = slower(self.queue_age_ms, data.queue_age_ms);
        if let Some(growth) = &reading.growth {
            self.recent.add(growth.requests, growth.processing_ns);
            self.rate =
                Some(self.rate.unwrap_or(0.0) + per_second(growth.requests, growth.seconds));
            let faults = per_second(growth.faults, growth.seconds);
            self.fault_rate = Some(self.fault_rate.unwrap_or(0.0) + faults);
        }
    }
}

impl Span {
    fn add(&mut self, requests: u64, processing_ns: u64) {
        self.requests = self.requests.saturating_add(requests);
        self.processing_ns = self.processing_ns.saturating_add(processing_ns);
    }

    fn average_ms(self) -> Option<f64> {
        (self.requests > 0).then(|| self.processing_ns as f64 / self.requests as f64 / 1e6)
    }
}

/// How often something happens.
pub(super) fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

fn added(sum: Option<u64>, said: Option<u64>) -> Option<u64> {
    match (sum, said) {
        (Some(sum), Some(said)) => Some(sum.saturating_add(said)),
        (one, other) => one.or(other),
    }
}

fn slower(one: Option<Quantiles>, other: Option<Quantiles>) -> Option<Quantiles> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Quantiles {
            p50: one.p50.max(other.p50),
            p95: one.p95.max(other.p95),
            p99: one.p99.max(other.p99),
        }),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
