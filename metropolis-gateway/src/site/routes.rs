//! Routes: everything that is answered at one moment. Immutable; a change makes another one, which is swapped in whole.

use bytes::Bytes;
use metropolis::listing::Line;
use metropolis::route::{Method, Segment};
use serde::Serialize;

use super::live::Configuration;
use crate::admin::BuiltIn;
use crate::admission::{Admitted, Quarantined, Service};
use crate::forward::TaskRoute;
use crate::openapi;
use crate::operation::Operation;
use crate::table::Table;

/// What stands behind a route.
#[derive(Debug)]
pub(super) enum Target {
    Task(Box<TaskRoute>),
    BuiltIn(BuiltIn),
}

/// Everything that is answered, by listener, and what is said about it.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(super) public: Table<Target>,
    pub(super) admin: Table<Target>,
    pub(super) openapi: Bytes,
    pub(super) listing: Bytes,
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
    /// Works out tables and documents. Takes milliseconds where there are many operations.
    pub(crate) fn of(
        admitted: &Admitted,
        built_in: &[BuiltIn],
        configuration: &Configuration,
    ) -> Self {
        let operations = &admitted.operations;
        let listed = Listed {
            routes: operations.iter().map(Operation::line).collect(),
            services: &admitted.services,
            quarantined: &admitted.quarantined,
            configuration,
            unreadable_answers: admitted.unread_answers,
        };
        Self {
            public: table(operations, built_in),
            admin: table(&[], BuiltIn::ADMIN),
            openapi: openapi::document(operations).to_string().into(),
            listing: serde_json::to_vec(&listed)
                .expect("a listing is plain data")
                .into(),
        }
    }
}

fn table(operations: &[Operation], built_in: &[BuiltIn]) -> Table<Target> {
    let own: Vec<(BuiltIn, [Segment; 1])> = built_in
        .iter()
        .map(|path| (*path, [Segment::Literal(path.name().to_owned())]))
        .collect();
    let own = own
        .iter()
        .map(|(path, segments)| (Method::Get, &segments[..], Target::BuiltIn(*path)));
    let tasks = operations.iter().filter_map(|operation| {
        let route = operation.route.as_ref()?;
        let task = TaskRoute::of(operation)?;
        Some((route.method, route.segments(), Target::Task(Box::new(task))))
    });
    Table::of(own.chain(tasks))
}
