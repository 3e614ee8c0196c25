//! View: what the console shows at one moment, put together from the routes and from what services say. Pure.
//!
//! Everything is bounded; what is left out is counted, and can be found by searching.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metropolis::bus::Bus;
use serde::Serialize;

use self::calls::Call;
use self::services::Service;
use self::tasks::Task;
use super::readings::{Instance, Readings};
use super::sums::Sum;
use crate::admission::Admitted;

mod calls;
mod services;
mod tasks;

/// Tasks that are shown at once.
const TASKS_MAX: usize = 500;
/// Services, and instances of all services together.
const SERVICES_MAX: usize = 200;
const INSTANCES_MAX: usize = 500;
/// Pairs of a task and one that it calls.
const CALLS_MAX: usize = 2000;

/// An instance that has not answered for so long is silent.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// What the gateway says of itself, once and for all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) version: &'static str,
    /// Whether services on the bus are served as they come and go.
    pub(crate) is_discovering: bool,
    /// Whether the page about the routes is there.
    pub(crate) has_docs: bool,
    /// Where routes are answered, if it is known.
    pub(crate) address: Option<SocketAddr>,
}

/// What is true of the gateway at the moment, as the page that asks sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    pub(crate) is_ready: bool,
    /// Whether routes are answered on another listener than the console is.
    pub(crate) is_elsewhere: bool,
}

/// All that one picture is made of.
#[derive(Debug)]
pub(super) struct View {
    /// What names must contain, in lower case; empty for all.
    pub(super) find: String,
    /// The task that is shown in full; empty for none.
    pub(super) subject: String,
    pub(super) admitted: Arc<Admitted>,
    pub(super) readings: Arc<Readings>,
    pub(super) trouble: Option<String>,
    pub(super) about: About,
    pub(super) now: Now,
    pub(super) uptime: Duration,
    pub(super) bus: Bus,
}

#[derive(Serialize)]
struct Picture<'a> {
    gateway: OfGateway,
    bus: OfBus,
    /// What is wrong with asking services, as a sentence.
    trouble: Option<&'a str>,
    totals: Totals,
    services: Vec<Service>,
    tasks: Vec<Task>,
    calls: Vec<Call>,
    /// The instances of the task that is shown in full.
    instances: Vec<OfInstance>,
    left_out: LeftOut,
}

#[derive(Serialize)]
struct OfGateway {
    version: &'static str,
    uptime_s: u64,
    is_ready: bool,
    is_discovering: bool,
    has_docs: bool,
    /// Where routes are answered, when that is another listener than the console's.
    public: Option<SocketAddr>,
}

#[derive(Serialize)]
struct OfBus {
    kind: &'static str,
    is_connected: bool,
    reconnects: u64,
}

/// Over everything there is, whatever is shown.
#[derive(Debug, Default, Serialize)]
struct Totals {
    services: usize,
    quarantined: usize,
    /// Answers of services that could not be read, since the start.
    unread_answers: u64,
    instances: usize,
    silent: usize,
    tasks: usize,
    routes: usize,
    numbers: Sum,
}

/// What one instance says of one task.
#[derive(Serialize)]
struct OfInstance {
    service: String,
    version: String,
    instance: String,
    is_silent: bool,
    numbers: Sum,
}

/// What there is more than is shown.
#[derive(Debug, Default, Serialize)]
struct LeftOut {
    tasks: usize,
    services: usize,
    instances: usize,
    calls: usize,
    /// Endpoints whose numbers are not even read.
    endpoints: usize,
}

impl View {
    /// Whether both show the same, the age of the gateway apart.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.find, &self.subject, &self.trouble) == (&other.find, &other.subject, &other.trouble)
            && Arc::ptr_eq(&self.admitted, &other.admitted)
            && Arc::ptr_eq(&self.readings, &other.readings)
            && self.now == other.now
    }

    /// The picture as the page reads it.
    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.picture()).expect("texts and numbers have a JSON form")
    }

    fn picture(&self) -> Picture<'_> {
        let mut tasks = tasks::all(&self.admitted, &self.readings);
        let mut services = services::all(&self.admitted, &self.readings, &tasks);
        let mut calls = calls::all(&self.readings, &tasks);
        let totals = self.totals(&tasks, &services);
        // The task that is shown in full is there whatever is looked for, and however many there are.
        let of_view = tasks.iter().position(|task| task.subject == self.subject);
        let of_view = of_view.map(|at| tasks.remove(at));
        if !self.find.is_empty() {
            tasks.retain(|task| task.contains(&self.find));
            services.retain(|service| service.contains(&self.find));
        }
        let left_out = LeftOut {
            tasks: cut(&mut tasks, TASKS_MAX),
            services: cut(&mut services, SERVICES_MAX),
            instances: services::cut_instances(&mut services, INSTANCES_MAX),
            calls: cut(&mut calls, CALLS_MAX) + self.readings.calls_left_out,
            endpoints: self.readings.left_out,
        };
        tasks.extend(of_view);
        Picture {
            gateway: self.gateway(),
            bus: self.bus(),
            trouble: self.trouble.as_deref(),
            totals,
            instances: self.instances(),
            services,
            tasks,
            calls,
            left_out,
        }
    }

    fn gateway(&self) -> OfGateway {
        OfGateway {
            version: self.about.version,
            uptime_s: self.uptime.as_secs(),
            is_ready: self.now.is_ready,
            is_discovering: self.about.is_discovering,
            has_docs: self.about.has_docs,
            public: self.about.address.filter(|_| self.now.is_elsewhere),
        }
    }

    fn bus(&self) -> OfBus {
        let kind = if self.bus.is_embedded() {
            "embedded"
        } else {
            "NATS"
        };
        OfBus {
            kind,
            is_connected: self.bus.is_connected(),
            reconnects: self.bus.counters().reconnects,
        }
    }

    fn totals(&self, tasks: &[Task], services: &[Service]) -> Totals {
        let mut numbers = Sum::default();
        for instance in self.readings.instances.values() {
            let is_silent = self.readings.is_silent(instance);
            instance
                .endpoints
                .iter()
                .for_each(|reading| numbers.add(reading, is_silent));
        }
        let instances = || services.iter().flat_map(|service| &service.instances);
        Totals {
            services: services.len(),
            quarantined: self.admitted.quarantined.len(),
            unread_answers: self.admitted.unread_answers,
            instances: instances().count(),
            silent: instances().filter(|instance| instance.is_silent()).count(),
            tasks: tasks.len(),
            routes: tasks.iter().map(|task| task.routes.len()).sum(),
            numbers,
        }
    }

    /// What each instance says of the task that is shown in full.
    fn instances(&self) -> Vec<OfInstance> {
        if self.subject.is_empty() {
            return Vec::new();
        }
        let filter = tasks::filter_of(&self.admitted, &self.subject);
        let all = self.readings.instances.iter();
        let serving = all.filter_map(|((service, id), instance)| {
            let is_silent = self.readings.is_silent(instance);
            let mut numbers = Sum::default();
            let of_task = instance.endpoints.iter();
            of_task
                .filter(|reading| reading.said.subject == filter)
                .for_each(|reading| numbers.add(reading, is_silent));
            (numbers.endpoints > 0).then(|| OfInstance {
                service: service.clone(),
                version: instance.version.clone(),
                instance: id.clone(),
                is_silent,
                numbers,
            })
        });
        serving.take(INSTANCES_MAX).collect()
    }
}

impl Readings {
    fn is_silent(&self, instance: &Instance) -> bool {
        let asked = self.asked.unwrap_or(instance.heard);
        asked.saturating_duration_since(instance.heard) > SILENT_AFTER
    }
}

/// Cuts a list, and says how much that took away.
fn cut<T>(list: &mut Vec<T>, max: usize) -> usize {
    let left_out = list.len().saturating_sub(max);
    list.truncate(max);
    left_out
}

#[cfg(test)]
mod tests;
