//! Metrics: what the gateway counts of its requests, by route and never by path.
//!
//! A route's meter is prepared with it and outlives its swap; it ends with its last route, so that what is shown is
//! bounded by the routes there are. Names and labels of the first two families are OpenTelemetry's.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use metropolis::telemetry::exposition::Labels;
use metropolis::telemetry::{Distribution, Histogram, Tally};

/// Answers of one route that are told apart by method and status, beside the usual one. Beyond, a status counts as the
/// first of its hundred: a task may choose among two hundred.
const ANSWERS_MAX: usize = 16;

/// Codes of faults that are told apart, for a route.
const CODES_MAX: usize = 32;

/// What the gateway counts.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    active: AtomicUsize,
    meters: Mutex<HashMap<Key, Weak<Meter>>>,
    /// Of requests that no route has taken.
    unrouted: Arc<Meter>,
}

/// Method and pattern of a route.
type Key = (&'static str, String);

/// What is counted of one route.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    method: &'static str,
    /// The route's pattern; `None` for what no route has taken.
    route: Option<String>,
    /// The status that most answers have, and their durations.
    usual_status: u16,
    usual: Histogram,
    others: Mutex<BTreeMap<(&'static str, u16), Arc<Histogram>>>,
    faults: Mutex<Option<Tally>>,
}

impl Metrics {
    /// The meter of a route: the one it has already, if it has been there before the last swap.
    pub(crate) fn meter(
        &self,
        method: &'static str,
        route: String,
        usual_status: u16,
    ) -> Arc<Meter> {
        let mut meters = lock(&self.meters);
        let key = (method, route);
        if let Some(known) = meters.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        let meter = Arc::new(Meter {
            method,
            route: Some(key.1.clone()),
            usual_status,
            ..Meter::default()
        });
        meters.insert(key, Arc::downgrade(&meter));
        meter
    }

    /// Forgets routes that are gone, so that those which come and go leave nothing behind.
    pub(crate) fn forget_unused(&self) {
        lock(&self.meters).retain(|_, known| known.strong_count() > 0);
    }

    pub(crate) fn unrouted(&self) -> &Meter {
        &self.unrouted
    }

    /// How many requests are being answered.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Relaxed)
    }

    /// Notes that a request has come.
    pub(crate) fn begin(&self) {
        self.active.fetch_add(1, Relaxed);
    }

    /// Notes that a request is over.
    pub(crate) fn end(&self) {
        self.active.fetch_sub(1, Relaxed);
    }
}

impl Meter {
    /// The route's pattern.
    pub(crate) fn route(&self) -> Option<&str> {
        self.route.as_deref()
    }

    /// Counts an answer.
    pub(crate) fn observe(&self, method: &'static str, status: u16, took: Duration) {
        if (method, status) == (self.method, self.usual_status) {
            self.usual.observe(took);
        } else {
            self.other(method, status).observe(took);
        }
    }

    fn other(&self, method: &'static str, status: u16) -> Arc<Histogram> {
        let mut others = lock(&self.others);
        let status = match others.len() < ANSWERS_MAX || others.contains_key(&(method, status)) {
            true => status,
            false => status / 100 * 100,
        };
        Arc::clone(others.entry((method, status)).or_default())
    }

    /// Counts an answer that is no value, by its code.
    pub(crate) fn fault(&self, code: &str) {
        let mut faults = lock(&self.faults);
        faults
            .get_or_insert_with(|| Tally::new(CODES_MAX))
            .add(code);
    }

    fn labels(&self) -> Labels<'_> {
        let route = self.route.as_deref().map(Cow::Borrowed);
        route
            .map(|route| ("http_route", route))
            .into_iter()
            .collect()
    }

    /// Every answer that there was, with its labels.
    pub(crate) fn answers(&self) -> Vec<(Labels<'_>, Distribution)> {
        let line = |method: &'static str, status: u16, durations: &Histogram| {
            let mut labels = self.labels();
            labels.push(("http_request_method", Cow::Borrowed(method)));
            labels.push(("http_response_status_code", Cow::Owned(status.to_string())));
            (labels, durations.read())
        };
        let mut lines = vec![line(self.method, self.usual_status, &self.usual)];
        lines.retain(|(_, durations)| durations.count() > 0);
        let others = lock(&self.others);
        lines.extend(
            others
                .iter()
                .map(|((method, status), durations)| line(method, *status, durations)),
        );
        lines
    }

    pub(crate) fn faults(&self) -> Vec<(Labels<'_>, u64)> {
        let faults = lock(&self.faults);
        let line = |(code, count): (&str, u64)| {
            let mut labels = self.labels();
            labels.push(("code", Cow::Owned(code.to_owned())));
            (labels, count)
        };
        faults.iter().flat_map(Tally::iter).map(line).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    fn lines(meter: &Meter) -> Vec<(u64, u16)> {
        let status = |labels: &Labels<'_>| {
            let label = labels
                .iter()
                .find(|(name, _)| *name == "http_response_status_code");
            label
                .and_then(|(_, status)| status.parse().ok())
                .expect("a status")
        };
        let answers = meter.answers();
        answers
            .iter()
            .map(|(labels, durations)| (durations.count(), status(labels)))
            .collect()
    }

    #[test]
    fn a_route_that_stays_keeps_its_meter_and_one_that_leaves_takes_it_along() {
        let metrics = Metrics::default();
        let first = metrics.meter("GET", "/a".to_owned(), 200);
        first.observe("GET", 200, SOON);
        let second = metrics.meter("GET", "/a".to_owned(), 200);
        drop(first);
        assert_eq!(lines(&second), [(1, 200)]);
        drop(second);
        assert_eq!(lines(&metrics.meter("GET", "/a".to_owned(), 200)), []);
        metrics.forget_unused();
        assert_eq!(lock(&metrics.meters).len(), 0);
    }

    #[test]
    fn statuses_beyond_the_bound_count_as_their_hundred() {
        let meter = Meter::default();
        for status in 400..600 {
            meter.observe("GET", status, SOON);
        }
        let lines = lines(&meter);
        assert_eq!(lines.len(), ANSWERS_MAX + 1);
        assert_eq!(lines.iter().map(|(count, _)| count).sum::<u64>(), 200);
        assert!(lines.contains(&(100, 500)), "{lines:?}");
    }
}
