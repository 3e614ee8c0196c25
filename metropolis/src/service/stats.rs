//! One task's counters as an entry of `STATS`.

use serde_json::{Map, Value, json};

use super::answers::{Endpoint, EndpointStats};
use crate::telemetry::{Counts, Distribution, Tally};

/// What is counted, in the form of ADR-32; what is ours alone is in `data`.
pub(super) fn of(endpoint: &Endpoint, counts: &Counts) -> EndpointStats {
    let figures = counts.read();
    let processing_ns = figures.durations.sum_ns.min(i64::MAX as u64);
    EndpointStats {
        name: endpoint.name.clone(),
        subject: endpoint.subject.clone(),
        queue_group: endpoint.queue_group.clone(),
        num_requests: figures.requests,
        num_errors: figures.faults,
        last_error: counts.last_error(),
        processing_time: processing_ns,
        average_processing_time: processing_ns.checked_div(figures.requests).unwrap_or(0),
        data: Some(json!({
            "busy": figures.busy,
            "expired": figures.expired,
            "refused": figures.refused,
            "in_flight": figures.running,
            "waiting": figures.waiting,
            "concurrency": figures.concurrency,
            "timeout_ms": u64::try_from(counts.limits().timeout().as_millis()).unwrap_or(u64::MAX),
            "paused": figures.is_paused,
            "faults": tally(&figures.faults_by_code),
            "latency_ms": quantiles(&figures.durations),
            "queue_age_ms": quantiles(&figures.queue_ages),
            "calls": tally(&counts.called()),
        })),
    }
}

fn tally(tally: &Tally) -> Map<String, Value> {
    let names = tally.iter();
    names
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect()
}

/// `null` where nothing was measured.
fn quantiles(distribution: &Distribution) -> Value {
    let ms = |share: f64| {
        let seconds = distribution.quantile(share)?;
        // To the microsecond; more would claim to be exact.
        Some((seconds * 1e6).round() / 1e3)
    };
    json!({ "p50": ms(0.5), "p95": ms(0.95), "p99": ms(0.99) })
}
