//! What a running task may ask for: values the worker provides, request headers, the time that is left.
//!
//! A [`Context`] belongs to one call. It hands out no bus: calls to other tasks go through `ctx.call`, which passes on
//! what is left of the deadline.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::bus::Bus;
use crate::live::{Bounds, Followed, Setting, Shelf, Snapshot};
use crate::telemetry::{Counts, Trace};
use crate::trace;
use crate::wire::{HeaderError, Headers};

/// Reply headers a task may set; the gateway passes them on to the HTTP client.
pub const REPLY_HEADERS: &[&str] = &[
    "allow",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-location",
    "etag",
    "expires",
    "last-modified",
    "link",
    "location",
    "retry-after",
    "vary",
    "www-authenticate",
];

/// How long a context made for a test lasts.
const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// One call, as its task sees it.
///
/// Take it as a parameter by reference: `ctx: &metropolis::Context`.
pub struct Context {
    scope: Arc<Scope>,
    /// The settings when the call began; `None` where the worker follows none.
    settings: Option<Arc<Snapshot>>,
    headers: Headers,
    deadline: Instant,
    reply_headers: Mutex<Headers>,
    trace: Trace,
}

/// What all calls of one task share: what the worker provides, and where the task counts.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) worker: Arc<Provisions>,
    pub(crate) counts: Arc<Counts>,
    /// The worker's id.
    pub(crate) instance: Arc<str>,
}

/// What all calls of one worker share: the bus its calls go out through, and one value per provided type. Those of
/// settings change.
pub(crate) struct Provisions {
    pub(crate) bus: Bus,
    values: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    settings: Option<Arc<Shelf>>,
    /// The settings until the worker starts.
    followed: Vec<Followed>,
    doubled: Vec<&'static str>,
}

impl fmt::Debug for Provisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provisions")
            .field("values", &self.values.len())
            .finish_non_exhaustive()
    }
}

impl Provisions {
    pub(crate) fn new(bus: Bus) -> Self {
        Self {
            bus,
            values: HashMap::new(),
            settings: None,
            followed: Vec::new(),
            doubled: Vec::new(),
        }
    }

    /// Keeps the first value of a type; a second one is remembered as a mistake, reported at the start.
    pub(crate) fn add<T: Send + Sync + 'static>(&mut self, value: T) {
        if self.has(TypeId::of::<T>()) {
            self.doubled.push(type_name::<T>());
        } else {
            self.values.insert(TypeId::of::<T>(), Box::new(value));
        }
    }

    /// Keeps the value of a setting, as [`add`](Self::add) does, until [`shelve`](Self::shelve).
    pub(crate) fn follow<T: Setting>(&mut self, value: T) {
        if self.has(TypeId::of::<T>()) {
            self.doubled.push(type_name::<T>());
        } else {
            self.followed.push(Followed::new(value));
        }
    }

    /// The settings, until they are shelved.
    pub(crate) fn followed(&self) -> &[Followed] {
        &self.followed
    }

    /// Puts the settings where calls find them, if there are any.
    pub(crate) fn shelve(&mut self) -> Option<Arc<Shelf>> {
        let followed = std::mem::take(&mut self.followed);
        self.settings = (!followed.is_empty()).then(|| Arc::new(Shelf::new(followed)));
        self.settings.clone()
    }

    pub(crate) fn has(&self, id: TypeId) -> bool {
        id == TypeId::of::<Context>()
            || self.values.contains_key(&id)
            || self.followed.iter().any(|setting| setting.id == id)
    }

    /// Names of types that were provided more than once.
    pub(crate) fn doubled(&self) -> &[&'static str] {
        &self.doubled
    }
}

impl Context {
    pub(crate) fn new(
        scope: Arc<Scope>,
        headers: Headers,
        deadline: Instant,
        trace: Trace,
    ) -> Self {
        let shelf = scope.worker.settings.as_ref();
        Self {
            settings: shelf.map(|shelf| shelf.snapshot()),
            scope,
            headers,
            deadline,
            reply_headers: Mutex::new(Headers::new()),
            trace,
        }
    }

    /// A context to call a task with in a unit test: no server, nothing provided, thirty seconds left.
    ///
    /// ```
    /// struct Greeting(&'static str);
    /// fn greet(greeting: &Greeting, name: String) -> String {
    ///     format!("{} {name}", greeting.0)
    /// }
    /// let ctx = metropolis::Context::for_test().provide(Greeting("hello"));
    /// assert_eq!(greet(ctx.provided(), "Ada".into()), "hello Ada");
    /// ```
    #[must_use]
    pub fn for_test() -> Self {
        Self::for_test_on(Bus::embedded())
    }

    /// A context for a test whose task calls other tasks over `bus`.
    #[must_use]
    pub fn for_test_on(bus: Bus) -> Self {
        let deadline = Instant::now() + TEST_TIMEOUT;
        let scope = Scope {
            worker: Arc::new(Provisions::new(bus)),
            counts: Arc::new(Counts::new(
                "test",
                Bounds::annotated(1, TEST_TIMEOUT),
                false,
            )),
            instance: Arc::from("test"),
        };
        let trace = Trace::default();
        Self::new(Arc::new(scope), Headers::new(), deadline, trace)
    }

    /// Provides a value to a context made for a test. A worker's values are given to the worker.
    ///
    /// # Panics
    /// When the context is already shared with a running call.
    #[must_use]
    pub fn provide<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        let scope = Arc::get_mut(&mut self.scope);
        let worker = scope.and_then(|scope| Arc::get_mut(&mut scope.worker));
        worker
            .expect("a context of a running call provides nothing")
            .add(value);
        self
    }

    /// Adds a request header to a context made for a test.
    ///
    /// # Errors
    /// When name or value could not travel as a header.
    pub fn with_header(mut self, name: &'static str, value: &str) -> Result<Self, HeaderError> {
        self.headers.append(name, value)?;
        Ok(self)
    }

    /// The provided value of a type.
    ///
    /// # Panics
    /// When nobody provided one. A worker checks that before it starts, so only a test can see this.
    #[must_use]
    pub fn provided<T: Provided + ?Sized>(&self) -> &T {
        T::find(self).unwrap_or_else(|| {
            panic!(
                "no `{}` is provided; give it to the context with `.provide(..)`",
                type_name::<T>()
            )
        })
    }

    /// A request header, by its name in any case: one of those the gateway lets through, or a caller set.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Sets a reply header, in place of an earlier value of the name.
    ///
    /// # Errors
    /// When the name is none of [`REPLY_HEADERS`], or the value holds a control character.
    pub fn set_reply_header(
        &self,
        name: &'static str,
        value: impl AsRef<str>,
    ) -> Result<(), ReplyHeaderError> {
        let known = REPLY_HEADERS
            .iter()
            .find(|known| known.eq_ignore_ascii_case(name));
        let name = *known.ok_or_else(|| ReplyHeaderError::NotAllowed(name.to_owned()))?;
        let mut headers = self
            .reply_headers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        headers.remove(name);
        headers.append(name, value)?;
        Ok(())
    }

    /// When the caller stops waiting.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How long the caller still waits; zero when its time is up.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.scope.worker.bus
    }

    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Adds the headers of the request that go along with every call made for it, the word on its trace apart.
    pub(crate) fn pass_on(&self, headers: &mut Headers) {
        for name in trace::HEADERS {
            for value in self.headers.values(name) {
                // It came as a header, so it can go as one.
                let _ = headers.append(name, value);
            }
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.scope.counts
    }

    pub(crate) fn take_reply_headers(&self) -> Headers {
        let mut headers = self
            .reply_headers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut headers)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}

/// Why a reply header was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyHeaderError {
    /// The gateway would not pass it on.
    #[error("`{0}` is no header a task may set; see `metropolis::context::REPLY_HEADERS`")]
    NotAllowed(String),
    /// It could not travel as a header.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

/// A type whose values a worker can provide to tasks by reference: every sized type.
#[diagnostic::on_unimplemented(
    message = "`&{Self}` cannot be provided by the worker",
    label = "the worker provides values of sized types",
    note = "take a type of your own, or `&std::sync::Arc<{Self}>`, and give it to the worker with `.provide(..)`"
)]
#[doc(hidden)]
pub trait Provided: 'static {
    fn find(ctx: &Context) -> Option<&Self>;
}

#[diagnostic::do_not_recommend]
impl<T: 'static> Provided for T {
    /// `&Context` is no special case: the first downcast finds it, through any alias.
    fn find(ctx: &Context) -> Option<&Self> {
        let values = &ctx.scope.worker.values;
        let value = || values.get(&TypeId::of::<T>())?.downcast_ref();
        let setting = || ctx.settings.as_ref()?.get();
        let ctx = (ctx as &dyn Any).downcast_ref();
        ctx.or_else(value).or_else(setting)
    }
}

/// For generated code; may change in any release. One type that a task takes by reference.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    pub(crate) id: TypeId,
    pub(crate) name: fn() -> &'static str,
}

impl Need {
    /// For generated code; may change in any release. Without a bound, so that it repeats no other error.
    #[must_use]
    pub const fn of<T: ?Sized + 'static>() -> Self {
        Self {
            id: TypeId::of::<T>(),
            name: type_name::<T>,
        }
    }
}
