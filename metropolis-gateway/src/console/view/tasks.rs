//! The tasks of a picture: those that have routes, and those that only say of themselves that they are there.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::readings::{Reading, Readings};
use super::super::sums::Sum;
use crate::admission::Admitted;
use crate::operation::{Operation, Source};

/// One task, whoever serves it.
#[derive(Debug, Serialize)]
pub(super) struct Task {
    /// As declared, parameters in braces, where that is known.
    pub(super) subject: String,
    /// What is subscribed to, by which routes and numbers are joined.
    pub(super) filter: String,
    pub(super) name: String,
    pub(super) services: Vec<String>,
    pub(super) queue: String,
    /// How the gateway knows of it.
    pub(super) source: &'static str,
    pub(super) routes: Vec<RouteLine>,
    pub(super) summary: String,
    pub(super) is_deprecated: bool,
    pub(super) timeout_ms: Option<u64>,
    /// Absent where nobody said anything.
    pub(super) numbers: Option<Sum>,
}

/// One route of a task.
#[derive(Debug, Serialize)]
pub(super) struct RouteLine {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) has_body: bool,
}

/// All tasks, sorted by subject.
pub(super) fn all(admitted: &Admitted, readings: &Readings) -> Vec<Task> {
    let mut tasks = BTreeMap::new();
    for operation in &admitted.operations {
        let task = tasks
            .entry(operation.pattern.filter())
            .or_insert_with_key(|filter| Task::of(operation, filter));
        task.name_service(&operation.service);
        task.routes.extend(route(operation));
    }
    for ((service, _), instance) in &readings.instances {
        let is_silent = readings.is_silent(instance);
        for reading in &instance.endpoints {
            let filter = reading.said.subject.as_str();
            let task = match tasks.get_mut(filter) {
                Some(task) => task,
                None => tasks
                    .entry(filter.to_owned())
                    .or_insert_with(|| Task::unrouted(reading, filter)),
            };
            // The package of a declaration is not who serves it.
            if task.numbers.is_none() {
                task.services.clear();
            }
            task.name_service(service);
            task.numbers.get_or_insert_default().add(reading, is_silent);
        }
    }
    let mut tasks: Vec<Task> = tasks.into_values().collect();
    tasks.sort_by(|a, b| a.subject.cmp(&b.subject));
    tasks
}

/// What a task that is known by its subject as declared subscribes to.
pub(super) fn filter_of(admitted: &Admitted, subject: &str) -> String {
    let mut operations = admitted.operations.iter();
    let known = operations.find(|operation| operation.pattern.as_str() == subject);
    known.map_or_else(
        || subject.to_owned(),
        |operation| operation.pattern.filter(),
    )
}

impl Task {
    fn of(operation: &Operation, filter: &str) -> Self {
        let contract = operation.contract();
        Self {
            subject: operation.pattern.as_str().to_owned(),
            filter: filter.to_owned(),
            name: operation.name.clone(),
            services: Vec::new(),
            queue: operation.queue.clone(),
            source: match operation.source {
                Source::Served => "linked",
                Source::Declared => "declared",
                Source::Fixed => "configured",
                Source::Discovered => "discovered",
            },
            routes: Vec::new(),
            summary: contract.docs.lines().next().unwrap_or_default().to_owned(),
            is_deprecated: contract.deprecated,
            timeout_ms: u64::try_from(operation.timeout.as_millis()).ok(),
            numbers: None,
        }
    }

    /// A task that the gateway has no operation for.
    fn unrouted(reading: &Reading, filter: &str) -> Self {
        let said = &reading.said;
        Self {
            subject: said.subject.clone(),
            filter: filter.to_owned(),
            name: said.name.clone(),
            services: Vec::new(),
            queue: said.queue_group.clone(),
            source: "unrouted",
            routes: Vec::new(),
            summary: String::new(),
            is_deprecated: false,
            timeout_ms: None,
            numbers: None,
        }
    }

    fn name_service(&mut self, service: &str) {
        if !self.services.iter().any(|known| known == service) {
            self.services.push(service.to_owned());
        }
    }

    /// Whether the task is one that somebody looks for, in lower case.
    pub(super) fn contains(&self, text: &str) -> bool {
        let routes = self.routes.iter().map(|route| route.path.as_str());
        let texts = [self.subject.as_str(), self.name.as_str()]
            .into_iter()
            .chain(routes);
        let mut texts = texts.chain(self.services.iter().map(String::as_str));
        texts.any(|name| name.to_lowercase().contains(text))
    }
}

fn route(operation: &Operation) -> Option<RouteLine> {
    let route = operation.route.as_ref()?;
    Some(RouteLine {
        method: route.method.as_str(),
        path: route.path(),
        has_body: route.method.has_body(),
    })
}
