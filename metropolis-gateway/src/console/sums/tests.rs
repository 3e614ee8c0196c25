use super::super::readings::{EndpointStats, Growth};
use super::*;

fn reading(stats: serde_json::Value, growth: Option<(u64, u64, u64)>) -> Reading {
    let said: EndpointStats = serde_json::from_value(stats).expect("statistics");
    let growth = growth.map(|(requests, faults, processing_ns)| Growth {
        seconds: 2.0,
        requests,
        faults,
        processing_ns,
        calls: BTreeMap::new(),
    });
    Reading { said, growth }
}

fn ours(requests: u64, in_flight: u64, p95: f64) -> serde_json::Value {
    serde_json::json!({
        "subject": "a.b", "num_requests": requests, "num_errors": 1, "processing_time": requests * 1_000_000,
        "last_error": "400:no",
        "data": {
            "busy": 2, "in_flight": in_flight, "concurrency": 10, "timeout_ms": 1000 * requests, "paused": in_flight == 0,
            "faults": { "bad_input": 1 }, "latency_ms": { "p50": 1.0, "p95": p95, "p99": 9.0 },
        },
    })
}

#[test]
fn instances_add_up_and_the_slowest_one_counts_for_times() {
    let mut sum = Sum::default();
    sum.add(&reading(ours(10, 3, 4.0), Some((4, 1, 8_000_000))), false);
    sum.add(&reading(ours(20, 0, 7.0), Some((6, 0, 2_000_000))), false);
    assert_eq!((sum.endpoints, sum.requests, sum.faults), (2, 30, 2));
    assert_eq!((sum.rate, sum.fault_rate), (Some(5.0), Some(0.5)));
    assert_eq!(sum.average_ms, Some(1.0));
    assert_eq!(
        (sum.busy, sum.in_flight, sum.concurrency),
        (Some(4), Some(3), Some(20))
    );
    assert_eq!((sum.timeout_ms, sum.paused), (Some(10_000), Some(1)));
    assert_eq!(sum.codes["bad_input"], 2);
    assert_eq!(
        sum.latency_ms.map(|times| (times.p50, times.p95)),
        Some((1.0, 7.0))
    );
    assert_eq!(sum.last_error, "400:no");
}

#[test]
fn who_is_silent_counts_for_totals_alone() {
    let mut sum = Sum::default();
    sum.add(&reading(ours(10, 3, 4.0), Some((4, 1, 8_000_000))), true);
    assert_eq!((sum.requests, sum.busy), (10, Some(2)));
    assert_eq!(
        (sum.rate, sum.in_flight, sum.latency_ms),
        (None, None, None)
    );
}

#[test]
fn what_nobody_says_is_absent_and_not_zero() {
    let foreign =
        serde_json::json!({ "subject": "a.b", "num_requests": 4, "processing_time": 8_000_000 });
    let mut sum = Sum::default();
    sum.add(&reading(foreign, None), false);
    assert_eq!((sum.requests, sum.average_ms), (4, Some(2.0)));
    assert_eq!(
        (sum.rate, sum.busy, sum.latency_ms, sum.paused),
        (None, None, None, None)
    );
}
