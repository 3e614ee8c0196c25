//! Spans of requests: whether there are any is decided first, so that a request which is not recorded builds none.
//!
//! Spans are `tracing` spans, so what a task's own code opens inside lies below them. Names and attributes follow
//! OpenTelemetry's conventions for messaging; those for HTTP are the gateway's to follow.

use std::sync::{Arc, OnceLock};
use std::thread;

use futures_util::future::BoxFuture;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span, span};

use super::sampler::Sampler;
use crate::subject::Subject;
use crate::trace::{self, TraceContext, TraceId};
use crate::wire::{Headers, INSTANCE, Reply};

/// The target of all spans of requests.
pub const TARGET: &str = crate::log::SPANS;

/// A span of another process, and its `tracestate`.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "nothing records"))]
pub(super) struct Parent<'p> {
    pub(super) place: TraceContext,
    pub(super) state: Option<&'p str>,
}

/// How this process records spans.
pub(crate) struct Recorder {
    pub(super) sampler: Sampler,
    /// Starts a span, below one of another process where there is one, and says where it is.
    pub(super) begin: fn(&Span, TraceId, Option<Parent<'_>>) -> Option<TraceContext>,
    /// Gives a span that was started another name.
    pub(super) rename: fn(&Span, String),
    /// Where a span is.
    pub(super) place: fn(&Span) -> Option<TraceContext>,
    /// Where the span is that is entered on this thread.
    pub(super) current: fn() -> Option<TraceContext>,
}

static RECORDER: OnceLock<Recorder> = OnceLock::new();

/// From now on spans are recorded so. Later calls change nothing.
#[cfg_attr(
    not(feature = "otlp"),
    expect(dead_code, reason = "nothing else records")
)]
pub(super) fn record(recorder: Recorder) {
    trace::set_current(recorder.current);
    let _ = RECORDER.set(recorder);
}

/// Whether this process records any spans.
#[must_use]
pub fn is_recording() -> bool {
    RECORDER.get().is_some()
}

/// A request's place in its trace, as one process sees it.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Where this process is in the trace: its own span, or where the caller was if nothing is recorded here.
    place: Option<TraceContext>,
    span: Option<Span>,
}

impl Trace {
    /// Decides whether a request is recorded; `span` is called if it is, and makes a span without a parent.
    ///
    /// Without a parent the request is the first of a trace. In a process that records nothing it stays where it was. The
    /// parent's `state` is asked for as seldom as the span.
    pub fn begin<'s>(
        parent: Option<TraceContext>,
        state: impl FnOnce() -> Option<&'s str>,
        span: impl FnOnce() -> Span,
    ) -> Self {
        let Some(recorder) = RECORDER.get() else {
            return Self {
                place: parent,
                ..Self::default()
            };
        };
        let trace_id = parent.map_or_else(TraceId::random, |parent| parent.trace_id());
        if recorder.sampler.records(trace_id, parent.as_ref()) {
            let span = span();
            let parent = parent.map(|place| Parent {
                place,
                state: state(),
            });
            if let Some(place) = (recorder.begin)(&span, trace_id, parent) {
                return Self {
                    place: Some(place),
                    span: Some(span),
                };
            }
        }
        let place = parent.unwrap_or_else(|| TraceContext::unrecorded(trace_id));
        Self {
            place: Some(place.not_sampled()),
            span: None,
        }
    }

    /// Of a message, by its headers, or by its reply subject where these say nothing.
    pub(crate) fn of_message(
        headers: &Headers,
        reply: Option<&Subject>,
        span: impl FnOnce() -> Span,
    ) -> Self {
        let in_header = || TraceContext::parse(headers.get(trace::TRACEPARENT)?);
        if let Some(parent) = in_header() {
            return Self::begin(Some(parent), || headers.get(trace::TRACESTATE), span);
        }
        let in_reply = || TraceId::of_reply(reply?.as_bytes()).map(TraceContext::unrecorded);
        match in_reply() {
            None if !is_recording() => Self::default(),
            parent => Self::begin(parent, || None, span),
        }
    }

    /// The trace, in a process that records nothing as well.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        self.place.map(|place| place.trace_id())
    }

    /// The request's span, where it is recorded, for whoever ends it.
    #[must_use]
    pub fn into_span(self) -> Option<Span> {
        self.span
    }

    /// The request's span, where it is recorded.
    #[must_use]
    pub fn span(&self) -> Option<&Span> {
        self.span.as_ref()
    }

    /// Tells a message which trace it belongs to, also that nobody records it: whoever is behind would begin another.
    pub fn pass_on(&self, headers: &mut Headers) {
        if let Some(place) = self.place {
            place_in(headers, place);
        }
    }
}

fn place_in(headers: &mut Headers, place: TraceContext) {
    headers.remove(trace::TRACEPARENT);
    headers
        .append(trace::TRACEPARENT, place.to_traceparent())
        .expect("digits and dashes are a good header value");
}

/// A span for a message that is sent: below what is entered on this thread, or else below the span of the call that sends
/// it, or else the first of a trace where nothing is known of one. The message is told.
pub(crate) fn sending(of: &Trace, message: &Sent<'_>, headers: &mut Headers) -> Option<Span> {
    let recorder = RECORDER.get()?;
    let is_inside = (recorder.current)().is_some_and(|place| place.is_sampled());
    let current = is_inside.then(Span::current);
    match current.as_ref().or(of.span.as_ref()) {
        Some(parent) => {
            let span = message.span(parent.id());
            place_in(headers, (recorder.place)(&span)?);
            Some(span)
        }
        None if of.place.is_none() => {
            let trace = Trace::begin(None, || None, || message.span(None));
            trace.pass_on(headers);
            trace.into_span()
        }
        None => None,
    }
}

/// What the span of a message that is sent is made of.
#[derive(Debug)]
pub(crate) struct Sent<'s> {
    pub(crate) operation: &'static str,
    pub(crate) template: &'s str,
    pub(crate) subject: &'s str,
}

impl Sent<'_> {
    fn span(&self, parent: Option<span::Id>) -> Span {
        let Self {
            operation,
            template,
            subject,
        } = *self;
        info_span!(
            target: TARGET,
            parent: parent,
            "send",
            otel.name = format!("{operation} {template}"),
            otel.kind = "producer",
            otel.status_code = Empty,
            messaging.system = "nats",
            messaging.operation.name = operation,
            messaging.operation.type = "send",
            messaging.destination.name = subject,
            messaging.destination.template = (template != subject).then_some(template),
            error.type = Empty,
        )
    }
}

/// What a task's span is made of.
#[derive(Debug)]
pub(crate) struct Processed<'p> {
    pub(crate) task: &'p str,
    pub(crate) template: &'p str,
    pub(crate) subject: &'p str,
    pub(crate) queue: &'p str,
    pub(crate) instance: &'p str,
}

/// The span of a call.
pub(crate) fn processing(of: &Processed<'_>) -> Span {
    info_span!(
        target: TARGET,
        parent: None,
        "process",
        otel.name = format!("process {}", of.template),
        otel.kind = "consumer",
        otel.status_code = Empty,
        messaging.system = "nats",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name = of.subject,
        messaging.destination.template = (of.template != of.subject).then_some(of.template),
        messaging.consumer.group.name = of.queue,
        messaging.client.id = of.instance,
        metropolis.task = of.task,
        metropolis.fault.code = Empty,
        error.type = Empty,
    )
}

/// Runs a call inside of its span, which ends with it and says how it went. A value says who wrote it.
pub(crate) fn recorded(
    future: BoxFuture<'static, Reply>,
    span: Span,
    instance: &Arc<str>,
) -> BoxFuture<'static, Reply> {
    let instance = Arc::clone(instance);
    Box::pin(async move {
        let mut outcome = Outcome(Some(span.clone()));
        let mut reply = future.instrument(span).await;
        outcome.is(&reply);
        if let Reply::Success(success) = &mut reply {
            // Ours, and printable.
            let _ = success.headers.append(INSTANCE, &*instance);
        }
        reply
    })
}

/// What a span says in its end; that its call was dropped, unless it is told better.
struct Outcome(Option<Span>);

impl Outcome {
    fn is(&mut self, reply: &Reply) {
        let span = self.0.take();
        if let (Some(span), Reply::Fault(fault)) = (span, reply) {
            span.record("metropolis.fault.code", fault.code());
            if fault.status() >= 500 {
                failed(&span, fault.code());
            }
        }
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        if let Some(span) = self.0.take() {
            failed(
                &span,
                if thread::panicking() {
                    "panic"
                } else {
                    "dropped"
                },
            );
        }
    }
}

/// Gives a span another name, as soon as a better one is known.
pub fn rename(span: &Span, name: String) {
    if let Some(recorder) = RECORDER.get() {
        (recorder.rename)(span, name);
    }
}

/// Marks a span as one of something that went wrong.
pub fn failed(span: &Span, why: &str) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", why);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(traceparent: Option<&str>, expected: &str) {
        let reply = Subject::parse("_INBOX_a.00af7651916cd43dd.8448eb211c80319c00000007~");
        let reply = reply.expect("a subject");
        let mut headers = Headers::new();
        if let Some(value) = traceparent {
            headers
                .append(trace::TRACEPARENT, value)
                .expect("a good header");
        }
        let found = Trace::of_message(&headers, Some(&reply), Span::none);
        let found = found.trace_id().map(|id| id.to_string());
        assert_eq!(found.as_deref(), Some(expected), "{traceparent:?}");
    }

    #[test]
    fn a_header_counts_more_than_the_reply_subject_unless_it_is_none() {
        let (in_reply, other) = ("0af7651916cd43dd8448eb211c80319c", "7".repeat(32));
        check(None, in_reply);
        check(Some("nonsense"), in_reply);
        check(Some(&format!("00-{other}-b7ad6b7169203331-00")), &other);
    }
}
