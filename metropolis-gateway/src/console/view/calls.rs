//! Who calls whom: what tasks say of the subjects they call, brought together with the tasks there are.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::super::readings::{Growth, Readings};
use super::super::sums::per_second;
use super::tasks::Task;

/// One task calls another, over all instances.
#[derive(Debug, Serialize)]
pub(super) struct Call {
    /// The subject of the task that calls, as in the list of tasks.
    pub(super) from: String,
    /// The subject of the one that is called, as in the list of tasks, or as the caller writes it.
    pub(super) to: String,
    /// Whether the gateway knows of a task with that subject.
    pub(super) is_known: bool,
    pub(super) count: u64,
    /// Per second; absent where there is nothing to compare with.
    pub(super) rate: Option<f64>,
}

/// All calls, the most frequent first.
pub(super) fn all(readings: &Readings, tasks: &[Task]) -> Vec<Call> {
    let names = Names::of(tasks);
    // There may be tens of thousands of them, so texts are borrowed until the end.
    let mut counts: BTreeMap<(&str, &str), Count> = BTreeMap::new();
    for instance in readings.instances.values() {
        let is_silent = readings.is_silent(instance);
        for reading in &instance.endpoints {
            let from = names.find(&reading.said.subject);
            let from = from.unwrap_or(&reading.said.subject);
            let growth = reading.growth.as_ref().filter(|_| !is_silent);
            for (subject, count) in &reading.said.data.calls {
                let found = names.find(subject);
                let counted = counts.entry((from, found.unwrap_or(subject))).or_default();
                counted.is_known = found.is_some();
                counted.add(
                    *count,
                    growth.map(|growth| growth.calls_per_second(subject)),
                );
            }
        }
    }
    let calls = counts.into_iter().map(|((from, to), counted)| Call {
        from: from.to_owned(),
        to: to.to_owned(),
        is_known: counted.is_known,
        count: counted.count,
        rate: counted.rate,
    });
    let mut calls: Vec<Call> = calls.collect();
    calls.sort_by_key(|call| std::cmp::Reverse(call.count));
    calls
}

/// What is counted of one pair.
#[derive(Default)]
struct Count {
    is_known: bool,
    count: u64,
    rate: Option<f64>,
}

impl Count {
    fn add(&mut self, count: u64, rate: Option<f64>) {
        self.count = self.count.saturating_add(count);
        if let Some(rate) = rate {
            self.rate = Some(self.rate.unwrap_or(0.0) + rate);
        }
    }
}

impl Growth {
    fn calls_per_second(&self, subject: &str) -> f64 {
        let more = self.calls.get(subject).copied().unwrap_or(0);
        per_second(more, self.seconds)
    }
}

/// The subjects of tasks as declared, by whatever a caller may have written down.
struct Names<'t> {
    exact: HashMap<&'t str, &'t str>,
    /// Filters with wildcards by number of tokens and first token, which is never one.
    wild: HashMap<(usize, &'t str), Vec<&'t Task>>,
}

impl<'t> Names<'t> {
    fn of(tasks: &'t [Task]) -> Self {
        let mut names = Self {
            exact: HashMap::new(),
            wild: HashMap::new(),
        };
        for task in tasks {
            names.exact.insert(&task.filter, &task.subject);
            names.exact.insert(&task.subject, &task.subject);
            if task.filter.contains('*') {
                let place = neighbourhood(&task.filter);
                names.wild.entry(place).or_default().push(task);
            }
        }
        names
    }

    /// The subject of a task as declared, by what somebody wrote; `None` where there is no such task.
    fn find(&self, written: &str) -> Option<&'t str> {
        let matching = || {
            let near = self.wild.get(&neighbourhood(written))?;
            let found = near.iter().find(|task| matches(&task.filter, written))?;
            Some(found.subject.as_str())
        };
        self.exact.get(written).copied().or_else(matching)
    }
}

fn neighbourhood(subject: &str) -> (usize, &str) {
    let first = subject.split('.').next().unwrap_or_default();
    (subject.split('.').count(), first)
}

/// Whether a subject of as many tokens matches a filter.
fn matches(filter: &str, subject: &str) -> bool {
    let mut pairs = filter.split('.').zip(subject.split('.'));
    pairs.all(|(wanted, token)| wanted == "*" || wanted == token)
}
