//! Routes that are written down, for responders that announce nothing.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metropolis::TaskMeta;
use metropolis::catalog::{Problem, Problems};
use metropolis::route::Route;
use metropolis::subject::Pattern;

use crate::operation::{Format, Operation, Promise, Source, TIMEOUT_MAX};

/// A route to a responder that says nothing of itself: what it takes is any JSON object, what it answers anything.
///
/// Parameters of the path that are parameters of the subject go there, all others into the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticRoute {
    /// Method and path, such as `GET /users/{id}`.
    pub http: String,
    /// The subject, such as `users.{id}`.
    pub subject: String,
    /// The longest one call may take.
    pub timeout: Duration,
    /// How requests and replies are written.
    pub format: Format,
}

impl StaticRoute {
    /// A route with the timeout and the format of a task that says nothing else.
    #[must_use]
    pub fn new(http: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            http: http.into(),
            subject: subject.into(),
            timeout: TaskMeta::DEFAULT.timeout,
            format: Format::Json,
        }
    }

    fn operation(&self) -> Result<Operation, Problem> {
        let problem = |error: String| Problem::new(format!("a configured route is wrong: {error}"));
        let route = Route::parse(&self.http).map_err(|error| problem(error.to_string()))?;
        let pattern = Pattern::parse(&self.subject).map_err(|error| problem(error.to_string()))?;
        if crate::admin::is_reserved(&route) {
            return Err(problem(format!(
                "the path of `{route}` is the gateway's own"
            )));
        }
        if self.timeout.is_zero() || self.timeout > TIMEOUT_MAX {
            return Err(problem(format!(
                "the timeout of `{route}` is zero, or more than a day"
            )));
        }
        if let Some(name) = pattern.parameters().find(|name| {
            !route.parameters().any(|known| known == *name) && !route.method.has_body()
        }) {
            return Err(problem(format!(
                "`{route}` says nowhere what `{{{name}}}` of `{pattern}` is",
                pattern = self.subject
            )));
        }
        Ok(Operation {
            name: self.subject.replace(['.', '{', '}'], "_"),
            source: Source::Fixed,
            service: "configured".to_owned(),
            version: "0.0.0".to_owned(),
            pattern,
            route: Some(route),
            queue: String::new(),
            timeout: self.timeout,
            format: self.format,
            promise: Promise::open(self.format),
        })
    }
}

impl fmt::Display for StaticRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timeout = humantime::format_duration(self.timeout);
        write!(f, "{} to {} within {timeout}", self.http, self.subject)?;
        match self.format {
            Format::Json => Ok(()),
            Format::Legacy => f.write_str(", legacy"),
        }
    }
}

/// Logs what differs between the configured routes of before and of now.
pub(crate) fn say_changes(old: &[StaticRoute], new: &[StaticRoute]) {
    let (before, now) = (by_http(old), by_http(new));
    for route in old {
        match now.get(&*route.http) {
            Some(other) if *other == route => {}
            Some(other) => {
                tracing::info!(old = %route, new = %other, "a configured route has changed");
            }
            None => tracing::info!(old = %route, "a configured route is gone"),
        }
    }
    let is_new = |route: &&StaticRoute| !before.contains_key(&*route.http);
    for route in new.iter().filter(is_new) {
        tracing::info!(new = %route, "a configured route is there");
    }
}

/// Files may have thousands of them.
fn by_http(routes: &[StaticRoute]) -> HashMap<&str, &StaticRoute> {
    let pairs = routes.iter().map(|route| (&*route.http, route));
    pairs.collect()
}

/// The configured routes beside the linked ones.
///
/// # Errors
/// With every route that is wrong, or that is there already.
pub(crate) fn beside(
    mut operations: Vec<Arc<Operation>>,
    routes: &[StaticRoute],
) -> Result<Vec<Arc<Operation>>, Problems> {
    let shape = |operation: &Operation| operation.route.as_ref().map(Route::shape);
    let linked = operations.iter();
    let mut taken: HashSet<String> = linked.filter_map(|operation| shape(operation)).collect();
    let mut problems = Vec::new();
    for route in routes {
        match route.operation() {
            Ok(operation) if shape(&operation).is_some_and(|shape| !taken.insert(shape)) => {
                problems.push(Problem::new(format!(
                    "the configured route `{}` is there already",
                    route.http
                )));
            }
            Ok(operation) => operations.push(Arc::new(operation)),
            Err(problem) => problems.push(problem),
        }
    }
    Problems(problems).check()?;
    Ok(operations)
}
