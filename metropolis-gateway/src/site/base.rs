//! Base: what routes are made of, apart from what is on the bus. Data alone.

use std::sync::Arc;

use serde::Serialize;

use crate::admin::OwnPaths;
use crate::fixed::StaticRoute;
use crate::metrics::Metrics;
use crate::operation::Operation;

/// What routes are made of, apart from what is on the bus. A change makes another one.
#[derive(Debug, Clone)]
pub(super) struct Base {
    /// The linked tasks.
    pub(super) linked: Vec<Arc<Operation>>,
    /// Those, and the configured routes.
    pub(super) own: Vec<Arc<Operation>>,
    pub(super) fixed: Vec<StaticRoute>,
    pub(super) paths: OwnPaths,
    pub(super) metrics: Arc<Metrics>,
    pub(super) configuration: Configuration,
}

/// What may change while the gateway runs, as it is in force and as `/_routes` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Configuration {
    pub(super) body_max: usize,
    /// The document that is in force, by its revision.
    pub(super) applied: Option<u64>,
    /// The one that came after it and was refused, with the reason.
    pub(super) refused: Option<String>,
}
