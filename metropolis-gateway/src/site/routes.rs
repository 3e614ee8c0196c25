//! Routes: everything that is answered at one moment. Immutable; a change makes another one, which is swapped in whole.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use metropolis::listing::Line;
use metropolis::route::{Route, Segment};
use serde::Serialize;

use super::base::{Base, Configuration};
use crate::admin::{BuiltIn, OwnPaths};
use crate::admission::{Admitted, Quarantined, Service, admit};
use crate::discovery::Seen;
use crate::forward::{Behind, TaskRoute};
use crate::metrics::{Meter, Metrics};
use crate::openapi;
use crate::operation::{Operation, Source};
use crate::table::Table;

/// What stands behind a route.
#[derive(Debug)]
pub(super) enum Target {
    Task(Box<TaskRoute>),
    BuiltIn(BuiltIn, Arc<Meter>),
}

/// Everything that is answered, by listener, and what is said about it.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(super) public: Table<Target>,
    pub(super) admin: Table<Target>,
    /// The OpenAPI document, made when it is first asked for: of thousands of routes it takes a second and much memory to
    /// make, and tables change more often than anybody reads it.
    openapi: OnceLock<Bytes>,
    pub(super) listing: Bytes,
    meters: Vec<Arc<Meter>>,
    tasks: usize,
    instances: BTreeMap<String, usize>,
    /// What all of it was made of.
    pub(super) admitted: Arc<Admitted>,
}

/// What `/_routes` answers.
#[derive(Serialize)]
struct Listed<'a> {
    routes: Vec<Line>,
    /// Services on the bus that are served, with their instances.
    services: &'a [Service],
    /// Services on the bus that are not, each with its reason.
    quarantined: &'a [Quarantined],
    /// What may change while the gateway runs.
    configuration: &'a Configuration,
    /// Answers to `$SRV.INFO` that could not be read since the start, which nobody can be blamed for.
    unreadable_answers: u64,
}

impl Routes {
    /// The routes there are without any service on the bus.
    pub(super) fn alone(base: &Base) -> Self {
        Self::with(base, &Seen::default(), &HashSet::new())
    }

    /// Those, and the services on the bus that are admitted; `served` has the serials of those that are served now.
    pub(super) fn with(base: &Base, seen: &Seen, served: &HashSet<u64>) -> Self {
        Self::of(admit(&base.own, seen, served), base)
    }

    /// Works out the tables and the listing. Takes milliseconds where there are many operations.
    fn of(admitted: Admitted, base: &Base) -> Self {
        let Base {
            paths,
            metrics,
            configuration,
            ..
        } = base;
        metrics.forget_unused();
        let operations = &admitted.operations;
        let listed = Listed {
            routes: operations.iter().map(|task| task.line()).collect(),
            services: &admitted.services,
            quarantined: &admitted.quarantined,
            configuration,
            unreadable_answers: admitted.unread_answers,
        };
        let instances = instances(&admitted.services);
        let tasks = tasks(&admitted, &instances, metrics);
        let meters = tasks.iter().map(|(_, task)| Arc::clone(task.meter()));
        let meters: Vec<Arc<Meter>> = meters.chain(own_meters(metrics, paths)).collect();
        let listing = serde_json::to_vec(&listed).expect("a listing is plain data");
        Self {
            tasks: tasks.len(),
            meters,
            instances,
            public: table(tasks, &paths.public, metrics),
            admin: table(Vec::new(), &paths.admin, metrics),
            openapi: OnceLock::new(),
            listing: listing.into(),
            admitted: Arc::new(admitted),
        }
    }

    /// The OpenAPI document, if it was made.
    pub(super) fn known_openapi(&self) -> Option<Bytes> {
        self.openapi.get().cloned()
    }

    /// The OpenAPI document; whoever else asks meanwhile waits for the same.
    pub(super) fn openapi(&self) -> Bytes {
        let make = || {
            let document = openapi::document(&self.admitted.operations);
            document.to_string().into()
        };
        self.openapi.get_or_init(make).clone()
    }

    /// What is counted of each route, the gateway's own included.
    pub(crate) fn meters(&self) -> impl Iterator<Item = &Meter> {
        self.meters.iter().map(|meter| &**meter)
    }

    /// How many routes of tasks there are.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks
    }

    /// The services on the bus that are served, and how many instances each has.
    pub(crate) fn instances(&self) -> &BTreeMap<String, usize> {
        &self.instances
    }

    /// How many services on the bus are not served.
    pub(crate) fn quarantined(&self) -> usize {
        self.admitted.quarantined.len()
    }
}

/// Those of the operations that have a route, prepared.
fn tasks<'o>(
    admitted: &'o Admitted,
    instances: &BTreeMap<String, usize>,
    metrics: &Metrics,
) -> Vec<(&'o Route, TaskRoute)> {
    let task = |operation: &'o Arc<Operation>| {
        let route = operation.route.as_ref()?;
        let is_service = operation.source != Source::Fixed;
        let instances = instances.get(&operation.service).filter(|_| is_service);
        let behind = Behind {
            instances: instances.copied(),
            read_trace_in_reply: admitted.readers.have(operation),
        };
        Some((route, TaskRoute::of(operation, route, behind, metrics)))
    };
    admitted.operations.iter().filter_map(task).collect()
}

fn instances(services: &[Service]) -> BTreeMap<String, usize> {
    let mut instances = BTreeMap::new();
    for service in services {
        *instances.entry(service.service.clone()).or_default() += service.instances.len();
    }
    instances
}

/// The gateway's own paths, on whichever listener, each once.
fn own_meters(metrics: &Metrics, paths: &OwnPaths) -> Vec<Arc<Meter>> {
    let is_public = |path: BuiltIn| {
        paths
            .public
            .iter()
            .any(|public| public.path() == path.path())
    };
    let only_admin = paths.admin.iter().filter(|path| !is_public(**path));
    let all = paths.public.iter().chain(only_admin);
    all.map(|path| own_meter(metrics, *path)).collect()
}

fn own_meter(metrics: &Metrics, path: BuiltIn) -> Arc<Meter> {
    let method = path.method().as_str();
    metrics.meter(method, format!("/{}", path.path().join("/")), 200)
}

fn table(
    tasks: Vec<(&Route, TaskRoute)>,
    built_in: &[BuiltIn],
    metrics: &Metrics,
) -> Table<Target> {
    let own: Vec<(BuiltIn, Vec<Segment>)> = built_in
        .iter()
        .map(|path| (*path, literals(path.path())))
        .collect();
    let own = own.iter().map(|(path, segments)| {
        let target = Target::BuiltIn(*path, own_meter(metrics, *path));
        (path.method(), &segments[..], target)
    });
    let tasks = tasks.into_iter().map(|(route, task)| {
        let target = Target::Task(Box::new(task));
        (route.method, route.segments(), target)
    });
    Table::of(own.chain(tasks))
}

fn literals(path: &[&str]) -> Vec<Segment> {
    let literal = |segment: &&str| Segment::Literal((*segment).to_owned());
    path.iter().map(literal).collect()
}

impl Target {
    /// What is counted of it.
    pub(super) fn meter(&self) -> &Meter {
        match self {
            Self::Task(task) => task.meter(),
            Self::BuiltIn(_, meter) => meter,
        }
    }
}
