//! Admission: which services on the bus are served, and why the others are not. Pure.
//!
//! What is linked in or configured always wins. Of services that want the same, the one that is served already keeps
//! it, so that nobody who comes later takes a route away; of two that are new, the order of versions and names
//! decides, never the order of arrival.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use metropolis::TaskMeta;
use metropolis::route::{Route, Segment};
use metropolis::subject::{Pattern, Queue, Token};
use serde::Serialize;

use self::readers::TraceReaders;
use crate::discovery::{ENDPOINTS_MAX, Edition, Group, Offered, Seen, Unread};
use crate::operation::{Format, Operation, Promise, Source, TIMEOUT_MAX};

mod readers;

/// Operations of services on the bus that one gateway serves.
const OPERATIONS_MAX: usize = 8192;

/// A reason is cut at this many characters: it quotes what strangers wrote.
const REASON_MAX: usize = 300;

/// What the gateway serves, and whom it does not.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    /// Sorted by subject.
    pub(crate) operations: Vec<Arc<Operation>>,
    pub(crate) services: Vec<Service>,
    pub(crate) quarantined: Vec<Quarantined>,
    pub(crate) readers: TraceReaders,
    /// Answers that could not be read, since the start; nobody knows whose they were.
    pub(crate) unread_answers: u64,
}

/// A service on the bus that is served.
#[derive(Debug, Serialize)]
pub(crate) struct Service {
    #[serde(skip)]
    pub(crate) serial: u64,
    pub(crate) service: String,
    pub(crate) version: String,
    pub(crate) instances: Vec<String>,
}

/// A service on the bus that is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Quarantined {
    pub(crate) service: String,
    /// `None` where nothing it says can be read.
    pub(crate) version: Option<String>,
    pub(crate) instances: Vec<String>,
    pub(crate) reason: String,
}

/// Decides about everybody. `served` has the serials of those who are served now.
pub(crate) fn admit(own: &[Arc<Operation>], seen: &Seen, served: &HashSet<u64>) -> Admitted {
    let mut groups: Vec<&Group> = seen.groups.iter().collect();
    groups.sort_by_cached_key(|group| {
        let edition = &group.edition;
        let version = semver::Version::parse(&edition.version).ok();
        let is_new = !served.contains(&group.serial);
        (is_new, Reverse(version), edition.name.clone(), group.serial)
    });
    let mut taken = Taken::default();
    own.iter()
        .for_each(|operation| taken.put(Arc::clone(operation)));
    let mut admitted = Admitted {
        readers: TraceReaders::of(seen),
        unread_answers: seen.unread_answers,
        ..Admitted::default()
    };
    for group in groups {
        let (service, version) = (group.edition.name.clone(), readable(&group.edition.version));
        let instances = group.instances.clone();
        match taken.admit(group) {
            Ok(()) => admitted.services.push(Service {
                serial: group.serial,
                service,
                version,
                instances,
            }),
            Err(reason) => admitted.quarantined.push(Quarantined {
                service,
                version: Some(version),
                instances,
                reason: readable(&reason),
            }),
        }
    }
    admitted.quarantined.extend(unread(&seen.unread));
    admitted
        .services
        .sort_by(|a, b| (&a.service, a.serial).cmp(&(&b.service, b.serial)));
    admitted.operations = taken.operations;
    admitted
        .operations
        .sort_by(|a, b| a.pattern.as_str().cmp(b.pattern.as_str()));
    admitted
}

/// Instances of one service whose announcements have the same wrong with them, together.
fn unread(unread: &[Unread]) -> impl Iterator<Item = Quarantined> {
    let mut alike: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for Unread { service, id, why } in unread {
        alike.entry((service, why)).or_default().push(id.clone());
    }
    alike
        .into_iter()
        .map(|((service, why), instances)| Quarantined {
            service: service.to_owned(),
            version: None,
            instances,
            reason: readable(&format!("its announcement {why}")),
        })
}

/// What strangers wrote goes into logs and listings as one line of printable text.
pub(crate) fn readable(text: &str) -> String {
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().take(REASON_MAX).map(printable).collect()
}

/// Whoever was admitted so far.
#[derive(Debug, Default)]
struct Taken {
    operations: Vec<Arc<Operation>>,
    /// By shape.
    routes: HashMap<String, usize>,
    /// By number of tokens and first token, both of which subjects that overlap have in common.
    subjects: HashMap<(usize, String), Vec<usize>>,
    /// What is linked in or configured and has a parameter in its path.
    parameterised: Vec<usize>,
}

impl Taken {
    fn put(&mut self, operation: Arc<Operation>) {
        let at = self.operations.len();
        if let Some(route) = &operation.route {
            self.routes.insert(route.shape(), at);
            if operation.source != Source::Discovered && route.parameters().next().is_some() {
                self.parameterised.push(at);
            }
        }
        let near = self.subjects.entry(neighbourhood(&operation.pattern));
        near.or_default().push(at);
        self.operations.push(operation);
    }

    /// Takes in a whole edition, or nothing of it.
    fn admit(&mut self, group: &Group) -> Result<(), String> {
        let mut new = Vec::new();
        for operation in operations(group)? {
            if self.needs(&operation)? {
                new.push(Arc::new(operation));
            }
        }
        if self.operations.len() + new.len() > OPERATIONS_MAX {
            return Err(format!(
                "this gateway serves no more than {OPERATIONS_MAX} operations"
            ));
        }
        // An edition must not be at odds with itself either.
        let mut own = Self::default();
        for operation in &new {
            if own.needs(operation)? {
                own.put(Arc::clone(operation));
            }
        }
        own.operations
            .into_iter()
            .for_each(|operation| self.put(operation));
        Ok(())
    }

    /// Whether an operation is still to be put, or is there already.
    fn needs(&self, operation: &Operation) -> Result<bool, String> {
        let is_known = self.check_subject(operation)?;
        let Some(route) = &operation.route else {
            return Ok(!is_known);
        };
        match self
            .routes
            .get(&route.shape())
            .map(|at| &self.operations[*at])
        {
            Some(rival) if rival.pattern.filter() == operation.pattern.filter() => Ok(false),
            Some(rival) => Err(format!("the route `{route}` belongs to {}", owner(rival))),
            None if is_known && self.is_own(operation) => Ok(false),
            None => self.check_free(route).map(|()| true),
        }
    }

    /// Checks that a route nobody has is nobody's all the same.
    fn check_free(&self, route: &Route) -> Result<(), String> {
        if crate::admin::is_reserved(route) {
            return Err(format!(
                "the path of the route `{route}` is the gateway's own"
            ));
        }
        match self.shadowed_by(route).map(owner) {
            Some(other) => Err(format!(
                "the route `{route}` would take requests from {other}"
            )),
            None => Ok(()),
        }
    }

    /// What is linked in or configured and has a parameter where this path is a literal, which would win there,
    /// whatever the methods are.
    fn shadowed_by(&self, route: &Route) -> Option<&Operation> {
        let mut operations = self.parameterised.iter().map(|at| &*self.operations[*at]);
        operations.find(|operation| {
            let own = operation.route.as_ref();
            own.is_some_and(|own| is_shadowed(own.segments(), route.segments()))
        })
    }

    /// Whether the subject is served already, by the same queue.
    fn check_subject(&self, operation: &Operation) -> Result<bool, String> {
        let filter = operation.pattern.filter();
        let mut is_known = false;
        for at in self.near(operation) {
            let rival = &self.operations[*at];
            if !rival.pattern.overlaps(&operation.pattern) {
                continue;
            }
            if rival.pattern.filter() != filter {
                let (subject, other) = (operation.pattern.as_str(), owner(rival));
                return Err(format!(
                    "some requests on `{subject}` would also reach {other}"
                ));
            }
            if rival.source == Source::Discovered && rival.queue != operation.queue {
                let (queue, other) = (&operation.queue, owner(rival));
                return Err(format!(
                    "it is in the queue `{queue}` and {other} in `{}`, so both would run each request",
                    rival.queue
                ));
            }
            is_known = true;
        }
        Ok(is_known)
    }

    /// Whether this process has the subject linked in or configured, and with it its only route.
    fn is_own(&self, operation: &Operation) -> bool {
        let filter = operation.pattern.filter();
        let mut rivals = self.near(operation).iter().map(|at| &self.operations[*at]);
        rivals.any(|rival| rival.source != Source::Discovered && rival.pattern.filter() == filter)
    }

    fn near(&self, operation: &Operation) -> &[usize] {
        let near = self.subjects.get(&neighbourhood(&operation.pattern));
        near.map(Vec::as_slice).unwrap_or_default()
    }
}

fn is_shadowed(own: &[Segment], other: &[Segment]) -> bool {
    let is_parameter = |segment: &Segment| matches!(segment, Segment::Parameter(_));
    let pairs = || own.iter().zip(other);
    let overlaps = own.len() == other.len()
        && pairs().all(|(a, b)| a == b || is_parameter(a) || is_parameter(b));
    overlaps && pairs().any(|(a, b)| is_parameter(a) && !is_parameter(b))
}

fn neighbourhood(pattern: &Pattern) -> (usize, String) {
    let (tokens, first) = pattern.neighbourhood();
    (tokens, first.to_owned())
}

fn owner(operation: &Operation) -> String {
    let subject = operation.pattern.as_str();
    match operation.source {
        Source::Served | Source::Declared => format!("the linked task `{subject}`"),
        Source::Fixed => format!("the configured route to `{subject}`"),
        Source::Discovered => format!("`{subject}` of the service `{}`", operation.service),
    }
}

fn operations(group: &Group) -> Result<Vec<Operation>, String> {
    let promises = group.promises.as_ref().map_err(Clone::clone)?;
    let edition = &group.edition;
    if edition.left_out > 0 {
        let endpoints = edition.endpoints.len() + edition.left_out;
        return Err(format!(
            "it has {endpoints} endpoints; {ENDPOINTS_MAX} are taken"
        ));
    }
    let both = edition.endpoints.iter().zip(promises.iter());
    let operations = both.map(|(offered, promise)| {
        let operation = operation(edition, offered, promise.as_ref());
        operation.map_err(|why| format!("endpoint `{}`: {why}", offered.name))
    });
    operations.collect()
}

/// One endpoint as an operation.
///
/// Without metadata of ours the subject gives the route as it does for a task, the input is any JSON object and the
/// reply is passed on as it is.
fn operation(
    edition: &Edition,
    offered: &Offered,
    promise: Option<&Arc<Promise>>,
) -> Result<Operation, String> {
    let pattern = pattern(offered)?;
    let route = match offered.http.as_deref() {
        Some("none") => None,
        Some(text) => Some(Route::parse(text).map_err(|error| error.to_string())?),
        None => Some(Route::derive(&pattern)),
    };
    if !offered.queue.is_empty() {
        check_queue(&offered.queue)?;
    }
    if let Some(promise) = promise {
        check_properties(&pattern, route.as_ref(), promise)?;
    }
    Ok(Operation {
        name: offered.name.clone(),
        source: Source::Discovered,
        service: edition.name.clone(),
        version: edition.version.clone(),
        pattern,
        route,
        queue: offered.queue.clone(),
        timeout: timeout(offered)?,
        format: Format::Json,
        promise: promise.map_or_else(|| Promise::open(Format::Json), Arc::clone),
    })
}

fn pattern(offered: &Offered) -> Result<Pattern, String> {
    let subject = &offered.subject;
    let is_wild = |token: &str| token == "*" || token == ">";
    let text = offered.pattern.as_ref().unwrap_or(subject);
    if text.split('.').any(is_wild) {
        return Err(format!(
            "the subject \"{text}\" holds a wildcard; name it in the metadata: `metropolis.subject`"
        ));
    }
    let pattern = Pattern::parse(text).map_err(|error| error.to_string())?;
    if pattern.filter() != *subject {
        return Err(format!(
            "it subscribes to \"{subject}\" and says that it is \"{text}\""
        ));
    }
    Ok(pattern)
}

/// Queues of others may be any text NATS takes, such as `q.group`.
fn check_queue(queue: &str) -> Result<(), String> {
    let is_plain = queue.split('.').all(|token| Queue::parse(token).is_ok());
    is_plain
        .then_some(())
        .ok_or_else(|| format!("the queue \"{queue}\" is no plain text"))
}

fn check_properties(
    pattern: &Pattern,
    route: Option<&Route>,
    promise: &Promise,
) -> Result<(), String> {
    let in_subject = pattern.tokens().iter().filter_map(|token| match token {
        Token::Parameter(name) => Some(name.as_str()),
        Token::Literal(_) => None,
    });
    let mut names = in_subject.chain(route.into_iter().flat_map(Route::parameters));
    match names.find(|name| promise.shape.property(name).is_none()) {
        Some(name) => Err(format!("`{{{name}}}` is no property of its input")),
        None => Ok(()),
    }
}

fn timeout(offered: &Offered) -> Result<Duration, String> {
    let Some(text) = &offered.timeout_ms else {
        return Ok(TaskMeta::DEFAULT.timeout);
    };
    let timeout = text.parse().ok().map(Duration::from_millis);
    timeout
        .filter(|timeout| !timeout.is_zero() && *timeout <= TIMEOUT_MAX)
        .ok_or_else(|| {
            format!("its timeout of \"{text}\" milliseconds is none, or more than a day")
        })
}

#[cfg(test)]
mod tests;
