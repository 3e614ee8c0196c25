//! Counts what becomes of the requests of one window.

use std::time::Duration;

use super::answer::Answer;
use super::{Offer, Outcome};
use crate::measure::report::percentile;

/// What counts is when a request was due, whenever its answer comes.
#[derive(Debug)]
pub(super) struct Tally {
    begin: Duration,
    end: Duration,
    outcome: Outcome,
    /// Values that arrived within the window.
    values: u64,
    lateness: Vec<f64>,
}

impl Tally {
    pub(super) fn new(offer: &Offer) -> Self {
        Self {
            begin: offer.warm_up,
            end: offer.warm_up + offer.window,
            outcome: Outcome::default(),
            values: 0,
            lateness: Vec::new(),
        }
    }

    /// Whether a moment lies in the window.
    pub(super) fn counts(&self, at: Duration) -> bool {
        at >= self.begin && at < self.end
    }

    pub(super) fn sent(&mut self, due: Duration, now: Duration) {
        if self.counts(due) {
            self.outcome.offered += 1;
            self.lateness.push(micros(now.saturating_sub(due)));
        }
    }

    pub(super) fn not_sent(&mut self, due: Duration) {
        let counted = u64::from(self.counts(due));
        self.outcome.offered += counted;
        self.outcome.unsent += counted;
    }

    pub(super) fn broken(&mut self, due: Duration) {
        self.outcome.broken += u64::from(self.counts(due));
    }

    pub(super) fn answered(&mut self, answer: &Answer<'_>, due: Duration, now: Duration) {
        self.values += u64::from(answer.status == 200 && self.counts(now));
        if !self.counts(due) {
            return;
        }
        let times = self.outcome.answers.entry(answer.status).or_default();
        times.push(micros(now.saturating_sub(due)));
        if answer.status == 503 {
            self.outcome.without_retry_after += u64::from(!answer.has_retry_after);
            self.refused(answer.code());
        }
    }

    fn refused(&mut self, code: &str) {
        match self.outcome.refusals.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                self.outcome.refusals.insert(code.to_owned(), 1);
            }
        }
    }

    pub(super) fn outcome(mut self, unanswered: usize) -> Outcome {
        if !self.lateness.is_empty() {
            self.outcome.lateness = percentile(&mut self.lateness, 0.99);
        }
        let window = self.end - self.begin;
        Outcome {
            unanswered: unanswered as u64,
            goodput: self.values as f64 / window.as_secs_f64(),
            ..self.outcome
        }
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
