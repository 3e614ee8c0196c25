//! The trace of a request: whether the client's word on it counts, and the span of the gateway.
//!
//! A client that may say that its trace is recorded may make every process behind this gateway record, and a NATS server
//! tell of the message's way; and what it calls baggage reaches every task. So strangers are not listened to.

use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};
use metropolis::telemetry::Trace;
use metropolis::telemetry::spans::{TARGET, failed, is_recording, rename};
use metropolis::trace::{self, TraceContext, TraceId};
use metropolis::wire::Headers;
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::head::VALUE_MAX;

// Names that need not be read at each request.
static TRACEPARENT: HeaderName = HeaderName::from_static(trace::TRACEPARENT);
static TRACESTATE: HeaderName = HeaderName::from_static(trace::TRACESTATE);
static BAGGAGE: HeaderName = HeaderName::from_static(trace::BAGGAGE);

/// The trace of a request that has come. `trusts` says whether its headers are listened to.
pub(crate) fn begin(head: &Parts, trusts: bool, method: &'static str) -> Trace {
    if !trusts && !is_recording() {
        return Trace::default();
    }
    let parent = match trusts {
        true => text(&head.headers, &TRACEPARENT).and_then(TraceContext::parse),
        false => None,
    };
    let state = || text(&head.headers, &TRACESTATE);
    Trace::begin(parent, state, || span(head, method))
}

/// Named after its method; its route gives it a better name.
fn span(head: &Parts, method: &'static str) -> Span {
    info_span!(
        target: TARGET,
        parent: None,
        "request",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        url.scheme = "http",
        url.path = head.uri.path(),
        http.route = Empty,
        http.response.status_code = Empty,
        metropolis.fault.code = Empty,
        error.type = Empty,
    )
}

/// The request has found its route.
pub(crate) fn on_route(trace: &Trace, method: &str, route: &str) {
    if let Some(span) = trace.span() {
        rename(span, format!("{method} {route}"));
        span.record("http.route", route);
    }
}

/// The request is answered, or its client has gone.
pub(crate) fn end(trace: &Trace, status: u16, code: Option<&str>) {
    let Some(span) = trace.span() else { return };
    span.record("http.response.status_code", status);
    if let Some(code) = code {
        span.record("metropolis.fault.code", code);
    }
    if status >= StatusCode::INTERNAL_SERVER_ERROR.as_u16() {
        failed(span, code.unwrap_or("answer"));
    }
}

/// Adds to a message what goes along with a trace. What a trusted client says beside it is dropped where it could not
/// travel.
///
/// A trace that begins here and that nobody records needs no header where workers `read_in_reply`: it is given back, for
/// the reply subject to name.
pub(crate) fn pass_on(
    trace: &Trace,
    trusted: Option<&HeaderMap>,
    read_in_reply: bool,
    headers: &mut Headers,
) -> Option<TraceId> {
    let has_parent = trusted.is_some_and(|received| received.contains_key(&TRACEPARENT));
    if let Some(received) = trusted {
        // Without its parent a state has no meaning.
        if trace.trace_id().is_some() && has_parent {
            copy(received, &TRACESTATE, trace::TRACESTATE, headers);
        }
        copy(received, &BAGGAGE, trace::BAGGAGE, headers);
    }
    if read_in_reply && !has_parent && trace.span().is_none() {
        return trace.trace_id();
    }
    trace.pass_on(headers);
    None
}

fn copy(received: &HeaderMap, from: &HeaderName, to: &'static str, headers: &mut Headers) {
    for value in received.get_all(from) {
        if let Some(text) = value.to_str().ok().filter(|text| text.len() <= VALUE_MAX) {
            let _ = headers.append(to, text);
        }
    }
}

/// The only value of a header; of several, none counts.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    match values.next() {
        None => first.to_str().ok(),
        Some(_) => None,
    }
}
