//! Dispatch: one task's messages in, calls ready to be polled out. No sockets, no spawn.
//!
//! Here a message becomes an envelope: the subject's parameters are read, the deadline is set, and what has already
//! expired is answered without being started.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tracing::Span;

use crate::bus::{Bus, Incoming};
use crate::catalog::{Catalog, Entry};
use crate::context::{Context, Provisions, Scope};
use crate::fault::{BAD_INPUT, Fault};
use crate::live::Limits;
use crate::spec::{Answer, TaskSpec};
use crate::task::Served;
use crate::telemetry::spans::{self, Processed};
use crate::telemetry::{Counts, Trace};
use crate::trace::TraceId;
use crate::wire::{self, CONTENT_TYPE, Envelope, Headers, NotStarted, Reply, Success};

/// The longest timeout a caller can ask for; a larger number counts as silence would.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

/// One served task: what turns its messages into calls.
#[derive(Debug)]
pub(crate) struct Dispatch {
    entry: Entry,
    /// Whether the subject has parameters; most have none, and those calls read nothing from it.
    parameters: bool,
    answer: Answer,
    scope: Arc<Scope>,
}

/// A call that has not been polled yet.
pub(crate) struct Call {
    pub(crate) future: BoxFuture<'static, Reply>,
    pub(crate) deadline: Instant,
    /// When its message reached this process.
    pub(crate) arrived: Instant,
    pub(crate) started: Instant,
    /// The trace it belongs to, for faults that are not its own.
    pub(crate) trace_id: Option<TraceId>,
}

impl Call {
    /// Lets go of a call that is over, or never will be. A panic in that is nobody's affair but the task's.
    pub(crate) fn discard(self) {
        let drop = AssertUnwindSafe(|| drop(self.future));
        if std::panic::catch_unwind(drop).is_err() {
            tracing::error!("a call panicked while it was dropped");
        }
    }
}

impl Dispatch {
    /// `None` for a declaration, which has nothing to run.
    pub(crate) fn new(entry: Entry, scope: Scope) -> Option<Self> {
        let answer = entry.spec.answer?;
        let parameters = entry.pattern.parameters().next().is_some();
        Some(Self {
            entry,
            parameters,
            answer,
            scope: Arc::new(scope),
        })
    }

    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// What bounds its calls now.
    pub(crate) fn limits(&self) -> &Limits {
        self.scope.counts.limits()
    }

    /// Makes a call of a message, which starts now.
    ///
    /// # Errors
    /// With the reply, when the request cannot be started: its time is up, or its subject holds no values.
    pub(crate) fn open(&self, incoming: Incoming, now: Instant) -> Result<Call, Reply> {
        let reply = incoming.reply.as_ref();
        let trace = Trace::of_message(&incoming.headers, reply, || self.span(&incoming));
        let trace_id = trace.trace_id();
        let parameters = self
            .parameters(&incoming)
            .map_err(|reply| reply.in_trace(trace_id))?;
        let arrived = incoming.arrived;
        let deadline = self.deadline(&incoming);
        if deadline <= now {
            return Err(Reply::NotStarted(NotStarted::Expired));
        }
        let envelope = Envelope {
            parameters,
            media_type: incoming.headers.get(CONTENT_TYPE).map(str::to_owned),
            payload: incoming.payload,
        };
        let scope = Arc::clone(&self.scope);
        let ctx = Context::new(scope, incoming.headers, deadline, trace.clone());
        let future = (self.answer)(Arc::clone(&self.entry.shape), ctx, envelope);
        let future = match trace.into_span() {
            Some(span) => spans::recorded(future, span, &self.scope.instance),
            None => future,
        };
        Ok(Call {
            trace_id,
            future,
            deadline,
            arrived,
            started: now,
        })
    }

    fn span(&self, incoming: &Incoming) -> Span {
        let meta = self.entry.meta();
        spans::processing(&Processed {
            task: meta.name,
            template: meta.subject,
            subject: incoming.subject.as_str(),
            queue: self.entry.queue.as_str(),
            instance: &self.scope.instance,
        })
    }

    fn parameters(&self, incoming: &Incoming) -> Result<Vec<(String, String)>, Reply> {
        if !self.parameters {
            return Ok(Vec::new());
        }
        let values = self.entry.pattern.values(incoming.subject.as_str());
        let values =
            values.map_err(|error| Reply::Fault(Fault::new(400, BAD_INPUT, error.to_string())))?;
        Ok(values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect())
    }

    /// The smaller of the task's timeout of now and what the caller still waits, counted from arrival.
    fn deadline(&self, incoming: &Incoming) -> Instant {
        let own = self.limits().timeout();
        let asked = wire::timeout(&incoming.headers).unwrap_or(own);
        incoming.arrived + own.min(asked).min(TIMEOUT_MAX)
    }
}

/// For the benches; may change in any release. One task with no bus around it: message in, reply out.
#[doc(hidden)]
#[derive(Debug)]
pub struct Alone(Dispatch);

impl Alone {
    /// # Panics
    /// When the annotation of the task is refused at start-up.
    #[must_use]
    pub fn of<T: Served>() -> Self {
        let catalog =
            Catalog::of([TaskSpec::of::<T>()]).expect("a task of a bench has no problems");
        let entry = catalog
            .served()
            .next()
            .expect("a task with a body is served");
        let scope = Scope {
            worker: Arc::new(Provisions::new(Bus::embedded())),
            counts: Arc::new(Counts::new(entry.meta().name, entry.bounds(), false)),
            instance: Arc::from(""),
        };
        Self(Dispatch::new(entry.clone(), scope).expect("a task with a body is answered"))
    }

    /// `None` when the task has to wait.
    #[must_use]
    pub fn answer(&self, incoming: Incoming) -> Option<(Headers, Bytes)> {
        let reply = match self.0.open(incoming, Instant::now()) {
            Ok(call) => call.future.now_or_never()?,
            Err(reply) => reply,
        };
        Some(reply.encode(""))
    }

    /// What telemetry does for one call of a worker, which [`answer`](Self::answer) leaves out: asks whose trace it is, and
    /// counts it.
    pub fn observe(&self, headers: &Headers) {
        let trace = Trace::of_message(headers, None, Span::none);
        let reply = Reply::Success(Success::default()).in_trace(trace.trace_id());
        let counts = &self.0.scope.counts;
        counts.start(Duration::ZERO);
        counts.reply(&reply, Duration::ZERO);
        counts.set_places(0, 0);
    }
}
