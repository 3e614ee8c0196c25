//! Who calls whom: what tasks say of the subjects they call, brought together with the tasks there are.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::super::readings::Readings;
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
    let mut calls: BTreeMap<(String, String), Call> = BTreeMap::new();
    for instance in readings.instances.values() {
        let is_silent = readings.is_silent(instance);
        for reading in &instance.endpoints {
            let (from, _) = names.name(&reading.said.subject);
            for (subject, count) in &reading.said.data.calls {
                let (to, is_known) = names.name(subject);
                let call = calls
                    .entry((from.clone(), to.clone()))
                    .or_insert_with(|| Call::new(&from, &to, is_known));
                call.count = call.count.saturating_add(*count);
                if let Some(growth) = reading.growth.as_ref().filter(|_| !is_silent) {
                    let more = growth.calls.get(subject).copied().unwrap_or(0);
                    let rate = per_second(more, growth.seconds);
                    call.rate = Some(call.rate.unwrap_or(0.0) + rate);
                }
            }
        }
    }
    let mut calls: Vec<Call> = calls.into_values().collect();
    calls.sort_by_key(|call| std::cmp::Reverse(call.count));
    calls
}

impl Call {
    fn new(from: &str, to: &str, is_known: bool) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            is_known,
            count: 0,
            rate: None,
        }
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

    /// The task's subject as declared, or what was written where there is no such task; which of both it is.
    fn name(&self, written: &str) -> (String, bool) {
        let known = self.exact.get(written).copied();
        let matching = || {
            let near = self.wild.get(&neighbourhood(written))?;
            let found = near.iter().find(|task| matches(&task.filter, written))?;
            Some(found.subject.as_str())
        };
        let name = known.or_else(matching);
        (name.unwrap_or(written).to_owned(), name.is_some())
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
