//! Catalog: the specs, parsed, sorted and checked, with all their conflicts reported at once.
//!
//! The only reader of what the linker collected. How the tasks will be served, or routed to, is somebody else's concern.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use crate::input::Shape;
use crate::live::Bounds;
use crate::route::Route;
use crate::schema;
use crate::spec::TaskSpec;
use crate::subject::{Pattern, Queue};
use crate::task::TaskMeta;

/// One task, ready to be served or called. Clones share what is large.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its record.
    pub spec: TaskSpec,
    /// Its subject, parsed.
    pub pattern: Pattern,
    /// Its queue group, parsed.
    pub queue: Queue,
    /// Its route; `None` when it is kept off every gateway.
    pub route: Option<Route>,
    /// The schema of its input; `None` when any bytes will do.
    pub input: Option<Arc<Value>>,
    /// The schema of its value; `None` when it is raw bytes.
    pub output: Option<Arc<Value>>,
    /// What decoding needs of the input's schema.
    pub shape: Arc<Shape>,
}

impl Entry {
    /// What the annotation said.
    #[must_use]
    pub fn meta(&self) -> &TaskMeta {
        &self.spec.meta
    }

    /// What bounds its calls as long as nobody changes it.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds::annotated(self.meta().concurrency, self.meta().timeout)
    }

    /// Whether the reply is empty.
    #[must_use]
    pub fn returns_nothing(&self) -> bool {
        (self.spec.is_nothing)()
    }
}

/// All tasks of a process.
///
/// Invariant: sorted by subject; no two served tasks can be reached by one message, no two tasks of different subjects
/// have one route, and every parameter is a property of its task's input.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    entries: Vec<Entry>,
}

/// One mistake found before anything started: what is wrong, which tasks it concerns, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    headline: String,
    tasks: Vec<[String; 3]>,
    help: Option<String>,
}

impl Problem {
    /// A mistake that concerns no task in particular.
    pub fn new(headline: impl Into<String>) -> Self {
        Self {
            headline: headline.into(),
            tasks: Vec::new(),
            help: None,
        }
    }

    /// Names a task that the mistake concerns, with its place in the source.
    #[must_use]
    pub fn at(mut self, meta: &TaskMeta) -> Self {
        let origin = meta.origin.to_string();
        self.tasks
            .push([meta.name.to_owned(), origin, meta.subject.to_owned()]);
        self
    }

    /// Says what to do, as one line.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline)?;
        let width = |column: usize| self.tasks.iter().map(|task| task[column].len()).max();
        let (names, origins) = (width(0).unwrap_or(0), width(1).unwrap_or(0));
        for [name, origin, subject] in &self.tasks {
            write!(f, "\n  {name:names$}  {origin:origins$}  {subject}")?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  {help}"),
            None => Ok(()),
        }
    }
}

/// Everything that keeps a process from starting, at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Fails when there is any.
    ///
    /// # Errors
    /// With all of them.
    pub fn check(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        if texts.len() > 1 {
            writeln!(f, "{} problems", texts.len())?;
        }
        f.write_str(&texts.join("\n"))
    }
}

impl std::error::Error for Problems {}

impl Catalog {
    /// Every task linked into this process, served and declared ones.
    ///
    /// # Errors
    /// With every invalid spec and every conflict.
    pub fn linked() -> Result<Self, Problems> {
        Self::of(inventory::iter::<TaskSpec>.into_iter().copied())
    }

    /// A chosen set of tasks.
    ///
    /// # Errors
    /// With every invalid spec and every conflict.
    pub fn of(specs: impl IntoIterator<Item = TaskSpec>) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut entries: Vec<Entry> = specs
            .into_iter()
            .filter_map(|spec| entry(spec, &mut problems))
            .collect();
        // The order of the linker's collection is undefined; messages and tables must not depend on it.
        entries.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
        problems.extend(subject_conflicts(&entries));
        problems.extend(route_conflicts(&entries));
        problems.sort_by(|a, b| a.headline.cmp(&b.headline));
        Problems(problems).check()?;
        Ok(Self {
            entries: without_shadowed_declarations(entries),
        })
    }

    /// The tasks, sorted by subject.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The tasks that have a body.
    pub fn served(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.spec.is_served())
    }
}

/// What to say where there must be some.
pub(crate) fn no_tasks() -> Problem {
    Problem::new("no tasks are linked into this binary").help(
        "a crate that is only listed in Cargo.toml, this package's own library included, is not linked; \
         name it once: `use my_tasks as _;`",
    )
}

fn sort_key(entry: &Entry) -> (&str, &str, &str, u32) {
    let meta = entry.meta();
    (meta.subject, meta.name, meta.origin.file, meta.origin.line)
}

/// Reads one spec, noting everything that is wrong with it; a spec made by hand can be wrong in any field.
fn entry(spec: TaskSpec, problems: &mut Vec<Problem>) -> Option<Entry> {
    let meta = &spec.meta;
    let mut note = |what: String| {
        problems.push(Problem::new(format!("the task `{}` is wrong: {what}", meta.name)).at(meta))
    };
    let pattern = Pattern::parse(meta.subject)
        .map_err(|error| note(error.to_string()))
        .ok();
    let queue = Queue::parse(meta.queue)
        .map_err(|error| note(error.to_string()))
        .ok();
    let route = route_of(meta, pattern.as_ref()).map_err(&mut note).ok();
    for limit in limits(meta) {
        note(limit);
    }
    let (pattern, queue, route) = (pattern?, queue?, route?);
    let input = document(spec.input, schema::input_generator());
    let output = document(spec.output, schema::output_generator());
    let shape = Shape::of(input.as_deref().unwrap_or(&Value::Bool(true)));
    if let Some(defect) = shape.defect() {
        note(format!("the schema of its input is broken: {defect}"));
    }
    for name in missing_properties(&pattern, route.as_ref(), &shape) {
        note(format!("`{{{name}}}` is no property of its input"));
    }
    Some(Entry {
        spec,
        pattern,
        queue,
        route,
        output,
        shape: Arc::new(shape),
        input,
    })
}

fn document(
    of: fn(&mut SchemaGenerator) -> Option<Schema>,
    mut generator: SchemaGenerator,
) -> Option<Arc<Value>> {
    let schema = of(&mut generator)?;
    Some(Arc::new(schema::document(schema, &mut generator)))
}

/// The route as given, or derived where there is a subject to derive it from; `None` when the task wants none.
fn route_of(meta: &TaskMeta, pattern: Option<&Pattern>) -> Result<Option<Route>, String> {
    match meta.http {
        Some("none") => Ok(None),
        Some(text) => Route::parse(text)
            .map(Some)
            .map_err(|error| error.to_string()),
        None if meta.internal => Ok(None),
        None => Ok(pattern.map(Route::derive)),
    }
}

/// What the attribute checks already, for specs that were made without it.
fn limits(meta: &TaskMeta) -> impl Iterator<Item = String> {
    let status = meta.status.filter(|status| !(200..=299).contains(status));
    let status = status.map(|status| format!("its status {status} is not 200 to 299"));
    let timeout = meta
        .timeout
        .is_zero()
        .then(|| "its timeout is zero".to_owned());
    let concurrency = (meta.concurrency == 0).then(|| "its concurrency is zero".to_owned());
    let name = meta.name.is_empty().then(|| "it has no name".to_owned());
    [status, timeout, concurrency, name].into_iter().flatten()
}

fn missing_properties(pattern: &Pattern, route: Option<&Route>, shape: &Shape) -> Vec<String> {
    let in_route = route.into_iter().flat_map(Route::parameters);
    let mut names: Vec<String> = pattern
        .parameters()
        .chain(in_route)
        .filter(|name| shape.property(name).is_none())
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// One request, one reply: two served tasks that one message can reach are a mistake, whatever their queues.
fn subject_conflicts(entries: &[Entry]) -> Vec<Problem> {
    let mut problems = BTreeMap::new();
    let mut near: HashMap<(usize, &str), Vec<&Entry>> = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.spec.is_served()) {
        let near = near.entry(entry.pattern.neighbourhood()).or_default();
        let mut rivals = near.iter();
        if let Some(first) = rivals.find(|rival| rival.pattern.overlaps(&entry.pattern)) {
            let problem = problems.entry(first.meta().subject);
            let problem = problem.or_insert_with(|| overlap(first));
            *problem = problem.clone().at(entry.meta());
        }
        near.push(entry);
    }
    problems.into_values().map(counted).collect()
}

fn overlap(first: &Entry) -> Problem {
    Problem::new(format!("tasks answer `{}`", first.meta().subject)).at(first.meta())
}

fn counted(mut problem: Problem) -> Problem {
    problem.headline = format!("{} {}", problem.tasks.len(), problem.headline);
    problem
}

fn route_conflicts(entries: &[Entry]) -> Vec<Problem> {
    let mut shapes: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        let Some(route) = &entry.route else { continue };
        let rivals = shapes.entry(route.shape()).or_default();
        // A task and its declarations are one route.
        if rivals.iter().all(|rival| rival.pattern != entry.pattern) {
            rivals.push(entry);
        }
    }
    let conflicts = shapes.into_values().filter(|rivals| rivals.len() > 1);
    conflicts.map(|rivals| route_conflict(&rivals)).collect()
}

fn route_conflict(rivals: &[&Entry]) -> Problem {
    let route = rivals[0]
        .route
        .as_ref()
        .map(Route::to_string)
        .unwrap_or_default();
    let problem = Problem::new(format!("tasks have the route `{route}`"));
    let problem = rivals
        .iter()
        .fold(problem, |problem, rival| problem.at(rival.meta()));
    counted(problem).help(
        "give one of them a route of its own: `http = \"METHOD /path\"`, or `http = \"none\"`",
    )
}

/// A declaration of a task that is served here adds nothing; of two declarations of one task the first stays.
fn without_shadowed_declarations(entries: Vec<Entry>) -> Vec<Entry> {
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut known = HashSet::new();
    let (served, declared): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|entry| entry.spec.is_served());
    for entry in served.into_iter().chain(declared) {
        let is_new = known.insert(entry.pattern.as_str().to_owned());
        if entry.spec.is_served() || is_new {
            kept.push(entry);
        }
    }
    kept.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
    kept
}
