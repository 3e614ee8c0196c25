//! Forward: one request of a task's route, top to bottom: headers, body, message, call, answer.
//!
//! The subject comes from the table and never from the path; everything is measured before anything is sent. Which
//! route it is was settled before, and what a failure looks like is `status`'s to say.

use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, Response, StatusCode};
use hyper::body::Body;
use metropolis::bus::{Bus, Outgoing};
use metropolis::client::Exchange;
use metropolis::input::{Place, Text};
use metropolis::route::Route;
use metropolis::subject::Subject;
use metropolis::{CallError, Client};

use self::body::{Content, Kind};
use self::places::{Places, Taken};
use crate::access::Passage;
use crate::busy_poll::BusyPoll;
use crate::metrics::{Meter, Metrics};
use crate::operation::{Format, Operation};
use crate::status::Refusal;
use crate::traced;

mod answer;
mod body;
mod body_max;
mod headers;
mod legacy;
mod message;
mod places;
mod query;

pub(crate) use body::whole;
pub(crate) use body_max::BodyMax;
pub(crate) use headers::{check_forwarded, forwarded_by_default};
pub(crate) use places::give_way;
pub(crate) use query::pairs;

/// A task with its route, prepared once.
#[derive(Debug)]
pub(crate) struct TaskRoute {
    operation: Arc<Operation>,
    meter: Arc<Meter>,
    /// The subject of a task whose subject has no parameters; most have none.
    subject: Option<Subject>,
    /// The names of the path's parameters, in order.
    names: Vec<String>,
    takes_body: bool,
    status: StatusCode,
    /// `None` where it is not known how many workers serve it: then only they can say that they are full.
    places: Option<Places>,
    read_trace_in_reply: bool,
}

/// What is known of the workers behind a task.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behind {
    /// How many there are; `None` where nobody has announced one.
    pub(crate) instances: Option<usize>,
    /// Whether all of them read the trace of a request that nobody records from the reply subject.
    pub(crate) read_trace_in_reply: bool,
}

/// What all routes share.
#[derive(Debug)]
pub(crate) struct Forwarding {
    pub(crate) bus: Bus,
    pub(crate) client: Client,
    /// The largest body, as configured; the bus may take less.
    pub(crate) body_max: BodyMax,
    /// The request headers that tasks see.
    pub(crate) headers: Vec<HeaderName>,
    /// Whether clients are listened to in what they say of traces.
    pub(crate) trusts_traces: bool,
    /// `None` where threads sleep while they wait for answers.
    pub(crate) busy_poll: Option<Arc<BusyPoll>>,
}

impl Forwarding {
    /// The same over another connection, for a thread that may stay awake while it waits.
    pub(crate) fn over(&self, bus: Bus, busy_poll: Option<Arc<BusyPoll>>) -> Self {
        Self {
            client: Client::new(bus.clone()),
            bus,
            body_max: self.body_max.clone(),
            headers: self.headers.clone(),
            trusts_traces: self.trusts_traces,
            busy_poll,
        }
    }
}

impl TaskRoute {
    /// `route` is that of the operation.
    pub(crate) fn of(
        operation: &Arc<Operation>,
        route: &Route,
        behind: Behind,
        metrics: &Metrics,
    ) -> Self {
        let status = operation.contract().status;
        Self {
            meter: metrics.meter(route.method.as_str(), route.path(), status),
            subject: operation.pattern.literal(),
            names: route.parameters().map(str::to_owned).collect(),
            takes_body: route.method.has_body(),
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::OK),
            operation: Arc::clone(operation),
            places: behind.instances.map(Places::of),
            read_trace_in_reply: behind.read_trace_in_reply,
        }
    }

    /// The task's name.
    pub(crate) fn name(&self) -> &str {
        &self.operation.name
    }

    /// What is counted of its requests.
    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    fn take_place(&self) -> Result<Option<Taken<'_>>, Refusal> {
        let taken = self.places.as_ref().map(Places::take).transpose();
        taken.map_err(|retry_after| {
            Refusal::Call(CallError::Busy {
                retry_after,
                places: None,
            })
        })
    }

    fn note<T>(&self, outcome: &Result<T, CallError>) {
        if let Some(known) = &self.places
            && let Err(CallError::Busy {
                retry_after,
                places: Some(places),
            }) = outcome
        {
            known.note_full(*places, *retry_after);
        }
    }

    fn answers_json(&self) -> bool {
        self.operation.contract().output.is_some() && !self.returns_nothing()
    }

    fn takes_raw(&self) -> bool {
        self.operation.contract().input.is_none()
    }

    fn returns_nothing(&self) -> bool {
        self.operation.contract().empty
    }
}

/// Answers one request. `values` are those of the path's parameters.
///
/// # Errors
/// With the reason, when there is no value to answer with.
pub(crate) async fn forward<B: Body<Data = Bytes> + Unpin>(
    forwarding: &Forwarding,
    task: &TaskRoute,
    values: &[Cow<'_, str>],
    head: &Parts,
    body: &mut B,
    passage: &mut Passage<'_>,
) -> Result<Response<Bytes>, Refusal> {
    let kind = checked(task, head, body)?;
    let _place = task.take_place()?;
    let mut headers = headers::for_task(&head.headers, &forwarding.headers)?;
    let trace = passage.trace().clone();
    let trusted = forwarding.trusts_traces.then_some(&head.headers);
    let in_reply = traced::pass_on(&trace, trusted, task.read_trace_in_reply, &mut headers);
    if let Kind::Raw(media_type) = &kind {
        headers::set_media_type(&mut headers, media_type)?;
    }
    let max = forwarding
        .bus
        .payload_max()
        .saturating_sub(headers.wire_len());
    let content = body::read(kind, body, max.min(forwarding.body_max.bytes())).await?;
    let (subject, payload) = message(task, values, head, content)?;
    if payload.len() > max {
        return Err(Refusal::BodyTooLarge { max });
    }
    let outgoing = Outgoing {
        subject,
        reply: None,
        headers,
        payload,
    };
    let exchange = Exchange {
        template: task.operation.pattern.as_str(),
        timeout: task.operation.timeout,
        trace: &trace,
        in_reply,
    };
    let answer = pin!(forwarding.client.exchange(outgoing, exchange));
    let answered = match &forwarding.busy_poll {
        Some(busy_poll) => busy_poll.wait_for(answer).await,
        None => answer.await,
    };
    passage.by(answered.instance);
    task.note(&answered.outcome);
    let success = answered.outcome?;
    match task.operation.format {
        Format::Json => answer::of(task, success),
        Format::Legacy => legacy::answer(&success.payload),
    }
}

/// What the head alone can be refused for; otherwise what kind of body to expect.
fn checked<B: Body>(task: &TaskRoute, head: &Parts, body: &B) -> Result<Kind, Refusal> {
    if task.answers_json() && !answer::accepts_json(&head.headers) {
        return Err(Refusal::NotAcceptable);
    }
    if body.is_end_stream() {
        return Ok(Kind::Nothing);
    }
    if !task.takes_body {
        return Err(Refusal::Framing(
            "this method takes no body; its input is the path and the query",
        ));
    }
    Kind::of(&head.headers, &head.method, task.takes_raw())
}

/// Puts together what path, query and body say.
fn message(
    task: &TaskRoute,
    values: &[Cow<'_, str>],
    head: &Parts,
    content: Content,
) -> Result<(Subject, Bytes), Refusal> {
    let query = query::pairs(head.uri.query().unwrap_or_default())?;
    let form = query::pairs(&content.form)?;
    let in_path = texts(task.names.iter().zip(values), Place::Path);
    let in_query = texts(
        query.iter().map(|(name, value)| (name, value)),
        Place::Query,
    );
    let in_form = texts(form.iter().map(|(name, value)| (name, value)), Place::Form);
    let all: Vec<Text<'_>> = in_path.chain(in_query).chain(in_form).collect();
    message::of(task, &all, content.body)
}

/// Texts of one place, from their names and values.
fn texts<'t, N: AsRef<str> + 't>(
    pairs: impl IntoIterator<Item = (&'t N, &'t Cow<'t, str>)>,
    place: Place,
) -> impl Iterator<Item = Text<'t>> {
    pairs.into_iter().map(move |(name, value)| Text {
        name: name.as_ref(),
        value,
        place,
    })
}
