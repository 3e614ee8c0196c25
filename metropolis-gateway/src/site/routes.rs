//! Routes: everything that is answered at one moment. Immutable; a change makes another one, which is swapped in whole.

use std::sync::Arc;

use bytes::Bytes;
use metropolis::listing::Line;
use metropolis::route::Segment;
use serde::Serialize;

use crate::admin::{BuiltIn, OwnPaths};
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
    /// Answers to `$SRV.INFO` that could not be read since the start, which nobody can be blamed for.
    unreadable_answers: u64,
}

impl Routes {
    /// Works out tables and documents. Takes milliseconds where there are many operations.
    pub(crate) fn of(admitted: Admitted, paths: &OwnPaths) -> Self {
        let operations = &admitted.operations;
        let listed = Listed {
            routes: operations.iter().map(Operation::line).collect(),
            services: &admitted.services,
            quarantined: &admitted.quarantined,
            unreadable_answers: admitted.unread_answers,
        };
        Self {
            public: table(operations, &paths.public),
            admin: table(&[], &paths.admin),
            openapi: openapi::document(operations).to_string().into(),
            listing: serde_json::to_vec(&listed)
                .expect("a listing is plain data")
                .into(),
            admitted: Arc::new(admitted),
        }
    }
}

fn table(operations: &[Operation], built_in: &[BuiltIn]) -> Table<Target> {
    let own: Vec<(BuiltIn, Vec<Segment>)> = built_in
        .iter()
        .map(|path| (*path, literals(path.path())))
        .collect();
    let own = own
        .iter()
        .map(|(path, segments)| (path.method(), &segments[..], Target::BuiltIn(*path)));
    let tasks = operations.iter().filter_map(|operation| {
        let route = operation.route.as_ref()?;
        let task = TaskRoute::of(operation)?;
        Some((route.method, route.segments(), Target::Task(Box::new(task))))
    });
    Table::of(own.chain(tasks))
}

fn literals(path: &[&str]) -> Vec<Segment> {
    let literal = |segment: &&str| Segment::Literal((*segment).to_owned());
    path.iter().map(literal).collect()
}
