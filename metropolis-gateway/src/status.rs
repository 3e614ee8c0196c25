//! Status: what an HTTP client is told when it does not get the task's value. The only place that decides it.
//!
//! Every row is one situation: status, code, a sentence for people. Nothing in an answer names a subject, a type, a path
//! or the text of a library. The body is always `application/problem+json` (RFC 9457).

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use metropolis::bus::RequestError;
use metropolis::input::InputError;
use metropolis::task::bad_input;
use metropolis::trace::TraceId;
use metropolis::wire::PROBLEM_JSON;
use metropolis::{CallError, Fault};
use serde::Serialize;

use crate::flood::may_log;
use crate::table::PathError;

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// When a client may try again where nothing better is known.
const RETRY_DEFAULT: Duration = Duration::from_secs(1);

/// The challenge of a worker's 401; HTTP demands one (RFC 9110 §15.5.2), and a fault cannot carry its own.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer");

/// One situation, as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) detail: &'static str,
    /// The error type of `Proxy-Status` (RFC 9209); none where the request is at fault.
    proxy_error: Option<&'static str>,
    /// Whether nothing ran and trying again may help.
    retry: bool,
    /// Whether the task may have run although its answer is lost.
    maybe_executed: bool,
}

const fn row(status: u16, code: &'static str, detail: &'static str) -> Row {
    Row {
        status,
        code,
        detail,
        proxy_error: None,
        retry: false,
        maybe_executed: false,
    }
}

impl Row {
    const fn proxy(self, error: &'static str) -> Self {
        Self {
            proxy_error: Some(error),
            ..self
        }
    }

    const fn retry(self) -> Self {
        Self {
            retry: true,
            ..self
        }
    }

    const fn maybe_executed(self) -> Self {
        Self {
            maybe_executed: true,
            ..self
        }
    }
}

const NOT_FOUND: Row = row(404, "no_route", "no route has this path");
const METHOD: Row = row(
    405,
    "method_not_allowed",
    "this path has other methods; see the Allow header",
);
const BAD_REQUEST: Row = row(400, "bad_request", "the request cannot be read");
const BAD_INPUT: Row = row(
    400,
    metropolis::fault::BAD_INPUT,
    "the input is not what the task takes",
);
const NOT_ACCEPTABLE: Row = row(
    406,
    "not_acceptable",
    "the answer would be application/json, which the Accept header rules out",
);
const FORBIDDEN: Row = row(
    403,
    "forbidden",
    "only the console's own page may ask for this",
);
const BODY_TIMEOUT: Row = row(408, "body_timeout", "the body did not arrive in time");
const BODY_TOO_LARGE: Row = row(413, "body_too_large", "the body is too large");
const URI_TOO_LONG: Row = row(414, "uri_too_long", "path and query are too long");
const VALUES_TOO_LONG: Row = row(
    400,
    "values_too_long",
    "the values that select the task's instance are too long",
);
const MEDIA_TYPE: Row = row(
    415,
    "media_type",
    "the body has a media type that this route does not take",
);
const HEADERS_TOO_LARGE: Row = row(
    431,
    "headers_too_large",
    "the headers are too many or too large",
);
const BAD_ANSWER: Row = row(
    502,
    "bad_answer",
    "the answer is not what the task promises",
)
.proxy("http_protocol_error");
const CONNECTION_LOST: Row = row(
    502,
    "connection_lost",
    "the connection was lost before the answer came; the task may have run",
)
.proxy("connection_terminated")
.maybe_executed();
const NO_WORKER: Row = row(503, "no_worker", "no worker serves this now")
    .proxy("destination_unavailable")
    .retry();
const NOT_READY: Row = row(
    503,
    "unavailable",
    "the gateway cannot reach its workers now",
)
.proxy("destination_unavailable")
.retry();
/// Until somebody changes the permissions, trying again helps nobody.
const NOT_PERMITTED: Row = row(
    503,
    "not_permitted",
    "the gateway is not permitted to reach this task",
)
.proxy("destination_unavailable");
const OVERLOADED: Row = row(503, "overloaded", "too many requests are in flight")
    .proxy("connection_limit_reached")
    .retry();
const BUSY: Row = row(503, "busy", "every worker is busy")
    .proxy("connection_limit_reached")
    .retry();
const TIMED_OUT: Row =
    row(504, "timed_out", "no answer came in time").proxy("http_response_timeout");
const EXPIRED: Row = row(
    504,
    "expired",
    "the time was up before the task could start",
)
.proxy("http_response_timeout");
const INTERNAL: Row =
    row(500, metropolis::fault::INTERNAL, "internal error").proxy("proxy_internal_error");

/// What a worker says for its task: these two reach the client as the worker wrote them.
const STOPPED: Row = row(
    503,
    "stopped",
    "the worker stopped before the task had answered",
);
const REPLY_TOO_LARGE: Row = row(
    500,
    "reply_too_large",
    "the reply is larger than the bus takes",
);

/// What any task route can answer without the task's doing; the document lists these beside the task's own faults.
pub(crate) const OF_EVERY_ROUTE: &[Row] = &[
    BAD_REQUEST,
    BAD_INPUT,
    NOT_ACCEPTABLE,
    URI_TOO_LONG,
    VALUES_TOO_LONG,
    HEADERS_TOO_LARGE,
    INTERNAL,
    BAD_ANSWER,
    CONNECTION_LOST,
    NO_WORKER,
    NOT_READY,
    NOT_PERMITTED,
    OVERLOADED,
    BUSY,
    TIMED_OUT,
    EXPIRED,
    STOPPED,
    REPLY_TOO_LARGE,
];

/// What is added to them where a route takes a body.
pub(crate) const OF_BODIES: &[Row] = &[BODY_TIMEOUT, BODY_TOO_LARGE, MEDIA_TYPE];

/// Why a request does not get a value.
#[derive(Debug)]
pub(crate) enum Refusal {
    NotFound,
    Method,
    Path(PathError),
    /// The request is wrong in a way this sentence says.
    Bad(&'static str),
    /// It is not certain where the request ends, so its connection cannot go on.
    Framing(&'static str),
    Input(InputError),
    UriTooLong {
        max: usize,
    },
    ValuesTooLong {
        max: usize,
    },
    HeadersTooLarge {
        max: usize,
        what: &'static str,
    },
    BodyTooLarge {
        max: usize,
    },
    BodyTimeout,
    NotAcceptable,
    /// It comes from elsewhere than where it must, in a way this sentence says.
    Forbidden(&'static str),
    /// `header` tells the client with `types` what would be taken.
    MediaType {
        header: HeaderName,
        types: &'static str,
    },
    NotReady,
    BadAnswer(&'static str),
    Call(CallError),
}

impl Refusal {
    fn row(&self) -> Row {
        match self {
            Self::NotFound => NOT_FOUND,
            Self::Method => METHOD,
            Self::Path(_) | Self::Bad(_) | Self::Framing(_) => BAD_REQUEST,
            Self::Input(_) => BAD_INPUT,
            Self::UriTooLong { .. } => URI_TOO_LONG,
            Self::ValuesTooLong { .. } => VALUES_TOO_LONG,
            Self::HeadersTooLarge { .. } => HEADERS_TOO_LARGE,
            Self::BodyTooLarge { .. } => BODY_TOO_LARGE,
            Self::BodyTimeout => BODY_TIMEOUT,
            Self::NotAcceptable => NOT_ACCEPTABLE,
            Self::Forbidden(_) => FORBIDDEN,
            Self::MediaType { .. } => MEDIA_TYPE,
            Self::NotReady => NOT_READY,
            Self::BadAnswer(_) => BAD_ANSWER,
            Self::Call(error) => row_of_call(error),
        }
    }

    /// The code that programs compare.
    pub(crate) fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Call(CallError::Fault(fault)) => Cow::Owned(fault.code().to_owned()),
            refusal => Cow::Borrowed(refusal.row().code),
        }
    }

    /// What is said beyond the row's own sentence.
    fn detail(&self) -> Option<String> {
        match self {
            Self::Path(error) => Some(error.to_string()),
            Self::Bad(what) | Self::Framing(what) | Self::Forbidden(what) => {
                Some((*what).to_owned())
            }
            Self::UriTooLong { max } => Some(format!("path and query have more than {max} bytes")),
            Self::ValuesTooLong { max } => Some(format!(
                "the values in the path make an address of more than {max} bytes"
            )),
            Self::HeadersTooLarge { max, what } => {
                Some(format!("the headers have more than {max} {what}"))
            }
            Self::BodyTooLarge { max } => Some(format!("the body has more than {max} bytes")),
            Self::MediaType { types, .. } => Some(format!("this route takes {types}")),
            _ => None,
        }
    }

    /// When to try again, where that may help.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Call(CallError::Busy { retry_after, .. }) => Some(*retry_after),
            refusal => refusal.row().retry.then_some(RETRY_DEFAULT),
        }
    }

    /// Makes the answer. `allow` names the methods of the path, where it has any.
    ///
    /// `trace_id` is that of the request, by which its log lines and spans are found.
    pub(crate) fn into_response(
        self,
        allow: Option<&HeaderValue>,
        trace_id: Option<TraceId>,
    ) -> Response<Bytes> {
        self.log();
        let refusal = self.in_trace(trace_id);
        let mut response = match &refusal {
            Self::Call(CallError::Fault(fault)) => of_fault(fault),
            Self::Input(error) => of_fault(&bad_input(error).in_trace(trace_id)),
            refusal => of_row(refusal.row(), refusal.detail(), trace_id),
        };
        let headers = response.headers_mut();
        if let Some(after) = refusal.retry_after() {
            headers.insert(RETRY_AFTER, whole_seconds(after));
        }
        if matches!(refusal, Self::Framing(_) | Self::BodyTimeout) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Self::MediaType { header, types } = refusal {
            headers.insert(header, HeaderValue::from_static(types));
        }
        add_demanded(&mut response, allow);
        response
    }

    /// A fault of a worker that does not trace says the gateway's trace.
    fn in_trace(self, trace_id: Option<TraceId>) -> Self {
        match self {
            Self::Call(CallError::Fault(fault)) => {
                Self::Call(CallError::Fault(fault.in_trace(trace_id)))
            }
            other => other,
        }
    }

    /// The log has what the client is not told; only what somebody should look at is loud.
    fn log(&self) {
        match self {
            Self::BadAnswer(why) => {
                if may_log(why) {
                    tracing::warn!("an answer cannot be passed on: {why}");
                }
            }
            Self::Call(CallError::Fault(fault)) => {
                tracing::debug!(
                    status = fault.status(),
                    code = fault.code(),
                    "a task said no"
                );
            }
            Self::Call(error) => tracing::debug!(%error, "a call gave no answer"),
            refusal => tracing::debug!(?refusal, "a request was refused"),
        }
    }
}

impl From<PathError> for Refusal {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

impl From<InputError> for Refusal {
    fn from(error: InputError) -> Self {
        Self::Input(error)
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

fn row_of_call(error: &CallError) -> Row {
    match error {
        CallError::NoWorker(_) => NO_WORKER,
        CallError::Busy { .. } => BUSY,
        CallError::NotSent(RequestError::Overloaded) => OVERLOADED,
        CallError::NotSent(RequestError::Denied) => NOT_PERMITTED,
        CallError::NotSent(RequestError::SubjectTooLong) => VALUES_TOO_LONG,
        CallError::NotSent(_) => NOT_READY,
        // The bus takes less than it did when the body was measured.
        CallError::BadInput(_) => BODY_TOO_LARGE,
        CallError::Expired => EXPIRED,
        CallError::TimedOut(_) => TIMED_OUT,
        CallError::ConnectionLost => CONNECTION_LOST,
        CallError::Undecodable(_) => BAD_ANSWER,
        _ => INTERNAL,
    }
}

/// The body of an answer of the gateway's own.
#[derive(Serialize)]
struct Problem<'a> {
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    maybe_executed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

fn of_row(row: Row, detail: Option<String>, trace_id: Option<TraceId>) -> Response<Bytes> {
    let problem = Problem {
        status: row.status,
        code: row.code,
        detail: detail.as_deref().unwrap_or(row.detail),
        maybe_executed: row.maybe_executed,
        trace_id: trace_id.map(|trace_id| trace_id.to_string()),
    };
    let body = serde_json::to_vec(&problem).expect("texts and numbers have a JSON form");
    let mut response = problem_response(row.status, body.into());
    if let Some(error) = row.proxy_error {
        let value = HeaderValue::from_str(&format!("metropolis; error={error}"));
        let value = value.expect("error types are header text");
        response.headers_mut().insert(PROXY_STATUS, value);
    }
    response
}

/// A worker's fault, or one that reads like a worker's.
fn of_fault(fault: &Fault) -> Response<Bytes> {
    problem_response(fault.status(), fault.to_problem())
}

fn problem_response(status: u16, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let media_type = HeaderValue::from_static(PROBLEM_JSON);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

/// Adds the headers without which HTTP does not allow a status.
fn add_demanded(response: &mut Response<Bytes>, allow: Option<&HeaderValue>) {
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => {
            let allow = allow.cloned().unwrap_or(HeaderValue::from_static(""));
            response.headers_mut().entry(ALLOW).or_insert(allow);
        }
        StatusCode::UNAUTHORIZED => {
            response
                .headers_mut()
                .entry(WWW_AUTHENTICATE)
                .or_insert(CHALLENGE);
        }
        _ => {}
    }
}

/// Rounded up, so that nobody comes back too early.
fn whole_seconds(duration: Duration) -> HeaderValue {
    let seconds = duration.as_millis().div_ceil(1000).max(1);
    HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
