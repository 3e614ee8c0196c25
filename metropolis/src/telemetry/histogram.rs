//! Histograms of durations: fixed buckets, two additions for an observation, read whenever somebody asks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

const NANOSECONDS: f64 = 1e9;

/// Upper bounds of the buckets in seconds: OpenTelemetry's for HTTP, and what lies below them, since most calls do.
pub const BOUNDS: [f64; 19] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75,
    1.0, 2.5, 5.0, 7.5, 10.0,
];

/// One more than there are bounds: the last bucket has none.
const BUCKETS: usize = BOUNDS.len() + 1;

const BOUNDS_NS: [u64; BOUNDS.len()] = {
    let mut bounds = [0; BOUNDS.len()];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = (BOUNDS[at] * NANOSECONDS) as u64;
        at += 1;
    }
    bounds
};

/// How often something took how long. Relaxed: sum and buckets need not agree to the last observation.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

impl Histogram {
    /// Adds one observation.
    pub fn observe(&self, took: Duration) {
        let ns = nanoseconds(took);
        self.sum_ns.fetch_add(ns, Relaxed);
        // From below, because nearly everything ends in one of the first buckets.
        let at = BOUNDS_NS.iter().position(|bound| ns <= *bound);
        self.buckets[at.unwrap_or(BUCKETS - 1)].fetch_add(1, Relaxed);
    }

    /// Adds to the sum alone, for what is counted elsewhere and not measured.
    pub(crate) fn add(&self, took: Duration) {
        self.sum_ns.fetch_add(nanoseconds(took), Relaxed);
    }

    /// What was observed so far.
    #[must_use]
    pub fn read(&self) -> Distribution {
        Distribution {
            buckets: std::array::from_fn(|at| self.buckets[at].load(Relaxed)),
            sum_ns: self.sum_ns.load(Relaxed),
        }
    }
}

fn nanoseconds(took: Duration) -> u64 {
    const OF_A_SECOND: u64 = 1_000_000_000;
    let whole = took.as_secs().saturating_mul(OF_A_SECOND);
    whole.saturating_add(took.subsec_nanos().into())
}

/// A histogram as it was at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    buckets: [u64; BUCKETS],
    pub(crate) sum_ns: u64,
}

impl Distribution {
    /// Adds what another histogram has observed.
    pub fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *ours += theirs;
        }
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
    }

    /// How many observations there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The duration in seconds that this share of all observations stayed below, within the width of a bucket; `None`
    /// when there were none.
    ///
    /// As `histogram_quantile` has it: even within a bucket, and what is above the last bound counts as the bound.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = share * self.count() as f64;
        let mut below = 0.0;
        for (at, bound) in BOUNDS.iter().enumerate() {
            let of_bucket = self.buckets[at] as f64;
            if of_bucket > 0.0 && below + of_bucket >= rank {
                let lower = at.checked_sub(1).map_or(0.0, |before| BOUNDS[before]);
                return Some(lower + (bound - lower) * (rank - below) / of_bucket);
            }
            below += of_bucket;
        }
        (self.count() > 0).then_some(BOUNDS[BOUNDS.len() - 1])
    }

    /// Writes it as Prometheus reads it.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn encode(&self, mut encoder: MetricEncoder<'_>) -> std::fmt::Result {
        let bounds = BOUNDS.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(self.buckets).collect();
        let sum = self.sum_ns as f64 / NANOSECONDS;
        encoder.encode_histogram::<NoLabelSet>(sum, self.count(), &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(durations_us: &[u64]) -> Distribution {
        let histogram = Histogram::default();
        for us in durations_us {
            histogram.observe(Duration::from_micros(*us));
        }
        histogram.read()
    }

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        assert_eq!(of(&[100]).buckets[0], 1);
        assert_eq!(of(&[101]).buckets[1], 1);
        assert_eq!(of(&[10_000_001]).buckets[BUCKETS - 1], 1);
        assert_eq!(of(&[u64::MAX / 1_000]).count(), 1);
    }

    #[test]
    fn quantiles_lie_within_their_bucket() {
        let check = |durations_us: &[u64], share: f64, expected: Option<f64>| {
            assert_eq!(
                of(durations_us).quantile(share),
                expected,
                "{durations_us:?}"
            );
        };
        check(&[], 0.5, None);
        check(&[50, 50], 0.5, Some(0.000_05));
        check(&[50, 700], 1.0, Some(0.001));
        check(&[60_000_000], 0.5, Some(10.0));
    }

    #[test]
    fn merging_adds_everything() {
        let mut both = of(&[50, 700]);
        both.merge(&of(&[700]));
        assert_eq!(both, of(&[700, 50, 700]));
    }
}
