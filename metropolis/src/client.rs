//! Client: typed calls of tasks, served or only declared, over the bus. Never knows HTTP.
//!
//! [`Client::call`] goes from anywhere; [`Context::call`] goes from inside a task and passes on what is left of its
//! deadline. Both build the same [`Call`].

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tracing::Span;

use crate::bus::{Answer, Bus, Outgoing, PublishError, RequestError};
use crate::context::Context;
use crate::fault::{Cause, Fault, TypedFault};
use crate::subject::{Pattern, Subject};
use crate::task::{CallInput, CallValue, Encoded, Task, ValueOf};
use crate::telemetry::Trace;
use crate::telemetry::spans::{self, Sent};
use crate::trace::TraceId;
use crate::wire::{CONTENT_TYPE, Headers, INSTANCE, NotStarted, Reply, Success, TIMEOUT_MS};

/// How much longer a caller waits than the worker works, so that the worker's own answer wins.
pub const GRACE: Duration = Duration::from_millis(250);

/// How long a message without a reply may take to be accepted by the bus.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

/// How a call ended without a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nobody serves the task. Nothing ran.
    #[error("no worker serves `{0}`")]
    NoWorker(String),
    /// Every place of the worker was taken. Nothing ran.
    #[error("every worker is busy; ask again in {retry_after:?}")]
    Busy {
        /// When it is worth asking again.
        retry_after: Duration,
        /// How many requests of the task that worker takes at a time, if it says so.
        places: Option<NonZeroU32>,
    },
    /// The call could not be sent: no connection, or too many calls in flight. Nothing ran.
    #[error("the call was not sent: {0}")]
    NotSent(RequestError),
    /// The input cannot be sent at all.
    #[error("the input cannot be sent: {0}")]
    BadInput(String),
    /// The deadline passed before the call could start. Nothing ran.
    #[error("the time was up before the call could start")]
    Expired,
    /// No answer came in time. The task may have run.
    #[error("no answer came within {0:?}")]
    TimedOut(Duration),
    /// The connection was lost. The task may have run.
    #[error("the connection was lost before the answer came")]
    ConnectionLost,
    /// The task said no.
    #[error("{0}")]
    Fault(Fault),
    /// The answer is not what the task promises.
    #[error("the answer cannot be read: {0}")]
    Undecodable(#[source] serde_json::Error),
}

impl CallError {
    /// The fault, when the task answered with one.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    /// Whether nothing ran, so that the same call may be made again without harm.
    #[must_use]
    pub fn is_not_started(&self) -> bool {
        matches!(
            self,
            Self::NoWorker(_)
                | Self::Busy { .. }
                | Self::NotSent(_)
                | Self::BadInput(_)
                | Self::Expired
        )
    }

    /// One word for what happened: a fault's code, or the variant's name as codes are written.
    fn kind(&self) -> &str {
        match self {
            Self::NoWorker(_) => "no_worker",
            Self::Busy { .. } => "busy",
            Self::NotSent(_) => "not_sent",
            Self::BadInput(_) => "bad_input",
            Self::Expired => "expired",
            Self::TimedOut(_) => "timed_out",
            Self::ConnectionLost => "connection_lost",
            Self::Fault(fault) => fault.code(),
            Self::Undecodable(_) => "undecodable",
        }
    }

    /// What a task answers when a call of its own failed and it passes the failure on by `?`.
    fn into_fault(self) -> Fault {
        let (status, code) = match self {
            Self::Fault(fault) => return fault,
            Self::NoWorker(_) | Self::NotSent(_) => (503, "unavailable"),
            Self::Busy { .. } => (503, "busy"),
            Self::Expired | Self::TimedOut(_) => (504, "timed_out"),
            Self::ConnectionLost | Self::Undecodable(_) => (502, "bad_answer"),
            Self::BadInput(_) => return Fault::internal(self),
        };
        Fault::new(status, code, "a service behind this one did not answer").with_cause(self)
    }

    fn recognise(cause: Cause) -> Result<Fault, Cause> {
        cause.downcast::<Self>().map(|error| error.into_fault())
    }

    fn of_request(error: RequestError, subject: &Subject, waited: Duration) -> Self {
        match error {
            RequestError::NoResponders => Self::NoWorker(subject.to_string()),
            RequestError::TimedOut => Self::TimedOut(waited),
            RequestError::ConnectionLost => Self::ConnectionLost,
            RequestError::TooLarge { .. } => Self::BadInput(error.to_string()),
            error => Self::NotSent(error),
        }
    }
}

inventory::submit! { TypedFault::by(CallError::recognise) }

/// What came of a request.
#[derive(Debug)]
pub struct Answered {
    /// The value, or why there is none.
    pub outcome: Result<Success, CallError>,
    /// The worker that has answered: named by every answer that is no value, and by those to traced requests.
    pub instance: Option<String>,
}

/// What there is to say of a request beside its message.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'e> {
    /// The subject as it was declared, for the span of this request where it is recorded.
    pub template: &'e str,
    /// How long to wait; a little is added, so that the worker's own time-out comes first.
    pub timeout: Duration,
    /// The trace of whoever sends it.
    pub trace: &'e Trace,
    /// A trace that nobody records and that no header tells of: the reply subject names it. For one that has begun in this
    /// process, another is not told, and for one request alone of that trace; towards services that read it there, as
    /// [`METADATA_TRACE_IN_REPLY`](crate::service::METADATA_TRACE_IN_REPLY) says.
    pub in_reply: Option<TraceId>,
}

/// Calls tasks by their names. Cloning is cheap.
///
/// ```no_run
/// # #[metropolis::task(subject = "text.reverse")]
/// # async fn reverse(text: String) -> String { text.chars().rev().collect() }
/// # async fn example(bus: metropolis::Bus) -> Result<(), metropolis::CallError> {
/// let client = metropolis::Client::new(bus);
/// let reversed: String = client.call::<reverse>(&"abc".to_owned()).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    bus: Bus,
}

impl Client {
    /// A client on a bus.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        Self { bus }
    }

    /// Calls a task and waits for its value, at most as long as the task's own timeout.
    pub fn call<T: Task>(&self, input: &T::Input) -> Call<T>
    where
        T::Input: CallInput,
        ValueOf<T>: CallValue,
    {
        let trace = Trace::default();
        Call::new(
            self.bus.clone(),
            message::<T>(input),
            T::META.timeout,
            trace,
        )
    }

    /// Sends a task its input and wants no reply: the task runs, its fault is logged and counted by the worker.
    ///
    /// # Errors
    /// When the message was not accepted for sending.
    pub fn publish<T: Task>(
        &self,
        input: &T::Input,
    ) -> impl Future<Output = Result<(), CallError>> + Send + 'static
    where
        T::Input: CallInput,
    {
        publish::<T>(self.bus.clone(), message::<T>(input), Trace::default())
    }

    /// Sends an untyped request, as the gateway does, and waits `timeout` and a little more for the reply.
    ///
    /// # Errors
    /// As a typed call, decoding apart.
    pub async fn send(&self, outgoing: Outgoing, timeout: Duration) -> Result<Success, CallError> {
        let template = outgoing.subject.to_string();
        let exchange = Exchange {
            template: &template,
            timeout,
            trace: &Trace::default(),
            in_reply: None,
        };
        self.exchange(outgoing, exchange).await.outcome
    }

    /// As [`send`](Self::send), and says which worker has answered, where the answer says so.
    pub fn exchange<'c>(
        &'c self,
        outgoing: Outgoing,
        exchange: Exchange<'c>,
    ) -> impl Future<Output = Answered> + Send + 'c {
        exchange.make(&self.bus, outgoing)
    }
}

impl Context {
    /// Calls another task; it gets what is left of this call's time, or its own timeout if that is less.
    pub fn call<T: Task>(&self, input: &T::Input) -> Call<T>
    where
        T::Input: CallInput,
        ValueOf<T>: CallValue,
    {
        self.counts().call(T::META.subject);
        let timeout = T::META.timeout.min(self.remaining());
        let mut message = self.message::<T>(input);
        if let Ok(message) = &mut message {
            self.trace().pass_on(&mut message.headers);
        }
        Call::new(self.bus().clone(), message, timeout, self.trace().clone())
    }

    /// Sends another task its input and wants no reply.
    ///
    /// # Errors
    /// When the message was not accepted for sending.
    pub fn publish<T: Task>(
        &self,
        input: &T::Input,
    ) -> impl Future<Output = Result<(), CallError>> + Send + 'static
    where
        T::Input: CallInput,
    {
        self.counts().call(T::META.subject);
        let mut message = self.message::<T>(input);
        if let Ok(message) = &mut message {
            self.trace().pass_on(&mut message.headers);
        }
        publish::<T>(self.bus().clone(), message, self.trace().clone())
    }
}

impl Context {
    /// The message of a call made for this one: it belongs to the same trace.
    fn message<T: Task>(&self, input: &T::Input) -> Result<Outgoing, CallError>
    where
        T::Input: CallInput,
    {
        let mut message = message::<T>(input)?;
        self.pass_on(&mut message.headers);
        Ok(message)
    }
}

/// A call that was prepared and is made when it is awaited.
#[must_use = "a call is made when it is awaited"]
pub struct Call<T: Task> {
    bus: Bus,
    message: Result<Outgoing, CallError>,
    timeout: Duration,
    trace: Trace,
    decode: fn(&Success) -> serde_json::Result<ValueOf<T>>,
    task: PhantomData<fn() -> T>,
}

impl<T: Task> Call<T> {
    fn new(bus: Bus, message: Result<Outgoing, CallError>, timeout: Duration, trace: Trace) -> Self
    where
        ValueOf<T>: CallValue,
    {
        Self {
            bus,
            message,
            timeout,
            trace,
            decode: <ValueOf<T> as CallValue>::decode,
            task: PhantomData,
        }
    }

    /// Waits at most this long; a longer time than the call has already changes nothing.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = self.timeout.min(timeout);
        self
    }
}

impl<T: Task> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("task", &T::META.name)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl<T: Task> IntoFuture for Call<T>
where
    ValueOf<T>: 'static,
{
    type Output = Result<ValueOf<T>, CallError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut message = self.message?;
            if self.timeout < T::META.timeout {
                limit(&mut message.headers, self.timeout);
            }
            let exchange = Exchange {
                template: T::META.subject,
                timeout: self.timeout,
                trace: &self.trace,
                in_reply: None,
            };
            let success = exchange.make(&self.bus, message).await.outcome?;
            (self.decode)(&success).map_err(CallError::Undecodable)
        })
    }
}

/// Tells the worker how long its caller waits; sent only when that is less than the task's own timeout.
pub fn limit(headers: &mut Headers, timeout: Duration) {
    let timeout_ms = timeout.as_millis().to_string();
    headers
        .append(TIMEOUT_MS, timeout_ms)
        .expect("a number is a good header value");
}

impl Exchange<'_> {
    async fn make(self, bus: &Bus, mut outgoing: Outgoing) -> Answered {
        if self.timeout.is_zero() {
            return Answered {
                outcome: Err(CallError::Expired),
                instance: None,
            };
        }
        let span = sending(self.trace, "request", self.template, &mut outgoing);
        let subject = outgoing.subject.clone();
        let deadline = Instant::now() + self.timeout + GRACE;
        let answered = match bus
            .request_in_trace(outgoing, deadline, self.in_reply)
            .await
        {
            Ok(answer) => read(answer),
            Err(error) => Answered {
                outcome: Err(CallError::of_request(error, &subject, self.timeout)),
                instance: None,
            },
        };
        if let (Some(span), Err(error)) = (span, &answered.outcome) {
            spans::failed(&span, error.kind());
        }
        answered
    }
}

/// The span of a message that is sent, where it is recorded; the message says that it comes from there.
fn sending(
    trace: &Trace,
    operation: &'static str,
    template: &str,
    outgoing: &mut Outgoing,
) -> Option<Span> {
    let sent = Sent {
        operation,
        template,
        subject: outgoing.subject.as_str(),
    };
    spans::sending(trace, &sent, &mut outgoing.headers)
}

fn read(answer: Answer) -> Answered {
    let instance = answer.headers.get(INSTANCE).map(str::to_owned);
    let outcome = match Reply::decode(answer.headers, answer.payload) {
        Reply::Success(success) => Ok(success),
        Reply::Fault(fault) => Err(CallError::Fault(fault)),
        Reply::NotStarted(NotStarted::Busy {
            retry_after,
            places,
        }) => Err(CallError::Busy {
            retry_after,
            places,
        }),
        Reply::NotStarted(NotStarted::Expired) => Err(CallError::Expired),
    };
    Answered { outcome, instance }
}

async fn publish<T: Task>(
    bus: Bus,
    message: Result<Outgoing, CallError>,
    trace: Trace,
) -> Result<(), CallError> {
    let mut message = message?;
    let span = sending(&trace, "publish", T::META.subject, &mut message);
    let deadline = Instant::now() + PUBLISH_TIMEOUT;
    let published = bus.publish(message, deadline).await;
    let published = published.map_err(|error| match error {
        PublishError::NotConnected => CallError::NotSent(RequestError::NotConnected),
        error => CallError::BadInput(error.to_string()),
    });
    if let (Some(span), Err(error)) = (span, &published) {
        spans::failed(&span, error.kind());
    }
    published
}

/// The message of a call: properties that the subject's parameters name go into the subject, the rest into the payload.
fn message<T: Task>(input: &T::Input) -> Result<Outgoing, CallError>
where
    T::Input: CallInput,
{
    let bad = |error: &dyn fmt::Display| CallError::BadInput(error.to_string());
    let pattern = Pattern::parse(T::META.subject).map_err(|error| bad(&error))?;
    let mut headers = Headers::new();
    let payload = match input.encode().map_err(|error| bad(&error))? {
        Encoded::Json(json) => Bytes::from(json),
        Encoded::Raw(raw) => {
            headers
                .append(CONTENT_TYPE, &raw.media_type)
                .map_err(|error| bad(&error))?;
            raw.bytes.clone()
        }
    };
    let (subject, payload) = match pattern.literal() {
        Some(subject) => (subject, payload),
        None => split(&pattern, &payload).map_err(|error| bad(&error))?,
    };
    Ok(Outgoing {
        subject,
        reply: None,
        headers,
        payload,
    })
}

fn split(
    pattern: &Pattern,
    payload: &[u8],
) -> Result<(Subject, Bytes), Box<dyn std::error::Error>> {
    let mut properties: Map<String, Value> = serde_json::from_slice(payload)?;
    let values: Vec<(&str, String)> = pattern
        .parameters()
        .filter_map(|name| Some((name, as_text(properties.remove(name)?)?)))
        .collect();
    let subject = pattern.fill(|name| {
        values
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    })?;
    Ok((subject, Bytes::from(serde_json::to_vec(&properties)?)))
}

/// What can stand in a subject: texts, numbers, booleans.
fn as_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(boolean) => Some(boolean.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
