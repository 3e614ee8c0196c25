//! The services of a picture, with their instances.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::super::readings::{Instance as Said, Readings};
use super::super::sums::Sum;
use super::tasks::Task;
use crate::admission::Admitted;

/// Instances of one service that offer the same, or at least have one version.
#[derive(Debug, Serialize)]
pub(super) struct Service {
    pub(super) service: String,
    /// Empty where it is not known.
    pub(super) version: String,
    /// `served`, `quarantined`, or `unrouted`: it is there, and the gateway has no route to it.
    pub(super) state: &'static str,
    /// Why it is quarantined.
    pub(super) reason: Option<String>,
    pub(super) instances: Vec<Instance>,
    pub(super) numbers: Sum,
}

/// One worker.
#[derive(Debug, Serialize)]
pub(super) struct Instance {
    pub(super) id: String,
    /// `answers`, `silent`, or `unheard`: it is known and has never said how it is doing.
    pub(super) state: &'static str,
    /// As the worker writes it.
    pub(super) started: Option<String>,
    pub(super) numbers: Sum,
}

/// All services, sorted by name.
pub(super) fn all(admitted: &Admitted, readings: &Readings, tasks: &[Task]) -> Vec<Service> {
    let mut services = known(admitted);
    let mut berths = Berths::of(&services);
    let routed: HashSet<&str> = tasks
        .iter()
        .filter(|task| !task.routes.is_empty())
        .map(|task| task.filter.as_str())
        .collect();
    for ((name, _), said) in &readings.instances {
        let at = berths.find(name, said).unwrap_or_else(|| {
            let is_routed = |subject: &str| routed.contains(subject);
            services.push(Service::unknown(name, said, is_routed));
            berths.add(services.len() - 1, &services[services.len() - 1]);
            services.len() - 1
        });
        services[at].hear(said, readings.is_silent(said));
    }
    services.sort_by(|a, b| (&a.service, &a.version).cmp(&(&b.service, &b.version)));
    services
}

/// Cuts the lists of instances, so that all together have so many; says how much that took away.
pub(super) fn cut_instances(services: &mut [Service], max: usize) -> usize {
    let (mut room, mut left_out) = (max, 0);
    for service in services {
        left_out += super::cut(&mut service.instances, room);
        room -= service.instances.len();
    }
    left_out
}

fn known(admitted: &Admitted) -> Vec<Service> {
    let served = admitted.services.iter().map(|known| Service {
        service: known.service.clone(),
        version: known.version.clone(),
        state: "served",
        reason: None,
        instances: unheard(&known.instances),
        numbers: Sum::default(),
    });
    let quarantined = admitted.quarantined.iter().map(|known| Service {
        service: known.service.clone(),
        version: known.version.clone().unwrap_or_default(),
        state: "quarantined",
        reason: Some(known.reason.clone()),
        instances: unheard(&known.instances),
        numbers: Sum::default(),
    });
    served.chain(quarantined).collect()
}

fn unheard(ids: &[String]) -> Vec<Instance> {
    ids.iter().map(|id| Instance::unheard(id)).collect()
}

/// Where in the list an instance belongs.
#[derive(Default)]
struct Berths {
    by_worker: HashMap<(String, String), usize>,
    by_version: HashMap<(String, String), usize>,
}

impl Berths {
    fn of(services: &[Service]) -> Self {
        let mut berths = Self::default();
        for (at, service) in services.iter().enumerate() {
            berths.add(at, service);
        }
        berths
    }

    fn add(&mut self, at: usize, service: &Service) {
        let name = &service.service;
        for instance in &service.instances {
            self.by_worker
                .insert((name.clone(), instance.id.clone()), at);
        }
        let version = service.version.clone();
        self.by_version.entry((name.clone(), version)).or_insert(at);
    }

    fn find(&self, name: &str, said: &Said) -> Option<usize> {
        let by_worker = self.by_worker.get(&(name.to_owned(), said.worker.clone()));
        let by_version = || {
            self.by_version
                .get(&(name.to_owned(), said.version.clone()))
        };
        by_worker.or_else(by_version).copied()
    }
}

impl Service {
    /// A service that only its own answers tell of, as all are where nobody looks for services.
    fn unknown(name: &str, said: &Said, is_routed: impl Fn(&str) -> bool) -> Self {
        let mut subjects = said
            .endpoints
            .iter()
            .map(|reading| reading.said.subject.as_str());
        Self {
            service: name.to_owned(),
            version: said.version.clone(),
            state: if subjects.any(is_routed) {
                "served"
            } else {
                "unrouted"
            },
            reason: None,
            instances: Vec::new(),
            numbers: Sum::default(),
        }
    }

    fn hear(&mut self, said: &Said, is_silent: bool) {
        let known = self
            .instances
            .iter()
            .position(|instance| instance.id == said.worker);
        let at = known.unwrap_or_else(|| {
            self.instances.push(Instance::unheard(&said.worker));
            self.instances.len() - 1
        });
        let instance = &mut self.instances[at];
        instance.state = if is_silent { "silent" } else { "answers" };
        instance.started = Some(said.started.clone()).filter(|text| !text.is_empty());
        for reading in &said.endpoints {
            instance.numbers.add(reading, is_silent);
            self.numbers.add(reading, is_silent);
        }
    }

    /// Whether the service is one that somebody looks for, in lower case.
    pub(super) fn contains(&self, text: &str) -> bool {
        let ids = self.instances.iter().map(|instance| &instance.id);
        let mut names = ids.chain([&self.service]);
        names.any(|name| name.to_lowercase().contains(text))
    }
}

impl Instance {
    fn unheard(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            state: "unheard",
            started: None,
            numbers: Sum::default(),
        }
    }

    pub(super) fn is_silent(&self) -> bool {
        self.state == "silent"
    }
}
