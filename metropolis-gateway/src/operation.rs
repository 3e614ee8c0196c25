//! Operation: all that the gateway needs of one task to route, describe and forward it. Data alone.
//!
//! Whether the task was linked in, discovered on the bus or written into a configuration file is settled here; nobody
//! behind this room asks again.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use metropolis::catalog::Entry;
use metropolis::contract::Contract;
use metropolis::input::Shape;
use metropolis::listing::Line;
use metropolis::route::Route;
use metropolis::subject::Pattern;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

/// The longest a service, or a configured route, may let callers wait.
pub(crate) const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Where an operation comes from; what comes first here wins over what comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// A task with a body, linked into this process.
    Served,
    /// A declaration, linked into this process.
    Declared,
    /// A route of the configuration.
    Fixed,
    /// A service on the bus.
    Discovered,
}

/// How requests and replies are written on the bus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// The input as one JSON document, the value as another; faults in headers.
    #[default]
    Json,
    /// As the Python `metropolis` had it: every value of the input in a list, the reply `{"code":200,"data":…}`.
    Legacy,
}

/// One task as the gateway knows it.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) source: Source,
    /// The package or service it belongs to, and its version: title of the document where it comes first.
    pub(crate) service: String,
    pub(crate) version: String,
    pub(crate) pattern: Pattern,
    /// `None` when it is kept off every gateway.
    pub(crate) route: Option<Route>,
    /// Empty where the task is in no queue group.
    pub(crate) queue: String,
    /// The longest one call may take.
    pub(crate) timeout: Duration,
    pub(crate) format: Format,
    pub(crate) promise: Arc<Promise>,
}

/// What a task takes and gives, shared by all operations of one contract.
#[derive(Debug)]
pub(crate) struct Promise {
    pub(crate) contract: Contract,
    pub(crate) shape: Arc<Shape>,
    /// What a contract that was fetched takes of the space for all of them; given back with the contract.
    _room: Option<OwnedSemaphorePermit>,
}

impl Promise {
    /// The promise of a contract that was fetched.
    pub(crate) fn kept(contract: Contract, room: OwnedSemaphorePermit) -> Self {
        Self {
            _room: Some(room),
            ..Self::of(contract)
        }
    }

    /// What is promised where nobody says more: it takes a JSON object and answers anything. All who say no more share it.
    pub(crate) fn open(format: Format) -> Arc<Self> {
        static JSON: LazyLock<Arc<Promise>> = LazyLock::new(|| Promise::of_any(None));
        static LEGACY: LazyLock<Arc<Promise>> =
            LazyLock::new(|| Promise::of_any(Some(Value::Bool(true))));
        Arc::clone(match format {
            Format::Json => &JSON,
            Format::Legacy => &LEGACY,
        })
    }

    fn of_any(output: Option<Value>) -> Arc<Self> {
        Arc::new(Self::of(Contract {
            input: Some(json!({ "type": "object" })),
            output,
            empty: false,
            status: 200,
            faults: Vec::new(),
            docs: String::new(),
            deprecated: false,
        }))
    }

    fn of(contract: Contract) -> Self {
        let any = Value::Bool(true);
        let shape = Shape::of(contract.input.as_ref().unwrap_or(&any));
        Self {
            contract,
            shape: Arc::new(shape),
            _room: None,
        }
    }
}

impl Operation {
    /// The operation of a task that is linked into this process.
    pub(crate) fn linked(entry: &Entry) -> Self {
        let meta = entry.meta();
        let is_served = entry.spec.is_served();
        Self {
            name: meta.name.to_owned(),
            source: if is_served {
                Source::Served
            } else {
                Source::Declared
            },
            service: meta.origin.package.to_owned(),
            version: meta.origin.version.to_owned(),
            pattern: entry.pattern.clone(),
            route: entry.route.clone(),
            queue: entry.queue.as_str().to_owned(),
            timeout: meta.timeout,
            format: Format::Json,
            promise: Arc::new(Promise {
                contract: Contract::of(entry),
                shape: Arc::clone(&entry.shape),
                _room: None,
            }),
        }
    }

    pub(crate) fn contract(&self) -> &Contract {
        &self.promise.contract
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.promise.shape
    }

    /// Its line in the listing.
    pub(crate) fn line(&self) -> Line {
        let description = self.contract().docs.lines().next().unwrap_or_default();
        Line {
            task: self.name.clone(),
            method: self.route.as_ref().map(|route| route.method.as_str()),
            path: self.route.as_ref().map(Route::path),
            subject: self.pattern.as_str().to_owned(),
            queue: self.queue.clone(),
            description: description.to_owned(),
        }
    }
}

/// The operations of linked tasks, in the order of their subjects.
pub(crate) fn linked(entries: &[Entry]) -> Vec<Arc<Operation>> {
    let operations = entries.iter().map(Operation::linked);
    operations.map(Arc::new).collect()
}
