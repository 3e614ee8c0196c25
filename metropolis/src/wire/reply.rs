//! A reply and its three forms: a value, a fault, or the word that nothing ran.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    CONTENT_TYPE, ERROR, ERROR_CODE, Headers, INSTANCE, NOT_STARTED, PLACES, PROBLEM_JSON,
    RETRY_AFTER_MS, one_line,
};
use crate::fault::Fault;
use crate::trace::TraceId;

/// The status of a fault whose sender gave none that counts.
const STATUS_UNKNOWN: u16 = 500;
/// The code of a fault whose sender gave none.
const CODE_UNKNOWN: &str = "unknown";

/// The answer to one request.
#[derive(Debug)]
pub enum Reply {
    /// The task ran and returned a value.
    Success(Success),
    /// The task ran and failed, or the request did not fit it.
    Fault(Fault),
    /// Nothing ran; the same request may be sent again.
    NotStarted(NotStarted),
}

/// A value, encoded.
#[derive(Debug, Clone, Default)]
pub struct Success {
    /// Headers the task set, and `Content-Type` when the payload is not JSON.
    pub headers: Headers,
    /// The value's JSON, raw bytes, or nothing for an empty reply.
    pub payload: Bytes,
}

/// Why a request was answered without being run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStarted {
    /// Every place of the worker, waiting ones included, was taken.
    Busy {
        /// When it is worth asking again.
        retry_after: Duration,
        /// How many places that worker has for the task, if it says so.
        places: Option<NonZeroU32>,
    },
    /// The caller's time was up before a place was free.
    Expired,
}

/// The body of a fault (RFC 9457), with our members beside the standard ones.
#[derive(Serialize, Deserialize)]
struct Problem {
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

impl Reply {
    /// Writes the reply as headers and payload; `instance` names the worker on everything but a value.
    #[must_use]
    pub fn encode(self, instance: &str) -> (Headers, Bytes) {
        match self {
            Self::Success(success) => (success.headers, success.payload),
            Self::Fault(fault) => encode_fault(&fault, instance),
            Self::NotStarted(why) => encode_not_started(why, instance),
        }
    }

    /// Says which trace a fault happened in, unless that is known already.
    #[must_use]
    pub fn in_trace(self, trace_id: Option<TraceId>) -> Self {
        match self {
            Self::Fault(fault) => Self::Fault(fault.in_trace(trace_id)),
            other => other,
        }
    }

    /// Reads a reply back. Never fails: a fault that cannot be read is still a fault.
    #[must_use]
    pub fn decode(headers: Headers, payload: Bytes) -> Self {
        if let Some(why) = decode_not_started(&headers) {
            return Self::NotStarted(why);
        }
        if headers.get(ERROR_CODE).is_some() || headers.get(ERROR).is_some() {
            return Self::Fault(decode_fault(&headers, &payload));
        }
        Self::Success(Success { headers, payload })
    }
}

impl Fault {
    /// The fault as `application/problem+json` (RFC 9457): `status`, `code`, `detail` and, where there are any, `data`
    /// and `trace_id`.
    #[must_use]
    pub fn to_problem(&self) -> Bytes {
        let problem = Problem {
            status: Some(self.status()),
            code: Some(self.code().to_owned()),
            detail: Some(self.message().to_owned()),
            data: self.data().cloned(),
            trace_id: self.trace_id().map(|trace_id| trace_id.to_string()),
        };
        Bytes::from(
            serde_json::to_vec(&problem).expect("strings, numbers and values have a JSON form"),
        )
    }
}

impl NotStarted {
    /// What a client without our headers reads: 503 or 504, and a code.
    #[must_use]
    pub fn as_fault(self) -> Fault {
        match self {
            Self::Busy { .. } => Fault::new(503, "busy", "every place of this worker is taken"),
            Self::Expired => Fault::new(
                504,
                "expired",
                "the time was up before the request could start",
            ),
        }
    }
}

fn encode_fault(fault: &Fault, instance: &str) -> (Headers, Bytes) {
    let mut headers = Headers::new();
    set(&mut headers, ERROR_CODE, &fault.status().to_string());
    set(&mut headers, ERROR, &one_line(fault.message()));
    set(&mut headers, CONTENT_TYPE, PROBLEM_JSON);
    set(&mut headers, INSTANCE, instance);
    (headers, fault.to_problem())
}

fn encode_not_started(why: NotStarted, instance: &str) -> (Headers, Bytes) {
    let (mut headers, payload) = encode_fault(&why.as_fault(), instance);
    match why {
        NotStarted::Busy {
            retry_after,
            places,
        } => {
            set(&mut headers, NOT_STARTED, "busy");
            if let Some(places) = places {
                set(&mut headers, PLACES, &places.to_string());
            }
            set(
                &mut headers,
                RETRY_AFTER_MS,
                &retry_after.as_millis().to_string(),
            );
        }
        NotStarted::Expired => set(&mut headers, NOT_STARTED, "expired"),
    }
    (headers, payload)
}

/// For names and values of our own making, which hold nothing a header may not.
fn set(headers: &mut Headers, name: &'static str, value: &str) {
    headers
        .append(name, value)
        .expect("our own header lines are printable");
}

fn decode_not_started(headers: &Headers) -> Option<NotStarted> {
    match headers.get(NOT_STARTED)? {
        "busy" => Some(NotStarted::Busy {
            retry_after: retry_after(headers),
            places: headers.get(PLACES).and_then(|text| text.parse().ok()),
        }),
        "expired" => Some(NotStarted::Expired),
        _ => None,
    }
}

fn retry_after(headers: &Headers) -> Duration {
    const UNSAID_MS: u64 = 1000;
    let text = headers.get(RETRY_AFTER_MS);
    Duration::from_millis(text.and_then(|text| text.parse().ok()).unwrap_or(UNSAID_MS))
}

/// The header's status wins over the body's: it is what every NATS micro client reads.
fn decode_fault(headers: &Headers, payload: &[u8]) -> Fault {
    let problem: Option<Problem> = serde_json::from_slice(payload).ok();
    let status = headers.get(ERROR_CODE).and_then(|code| code.parse().ok());
    let line = headers.get(ERROR).unwrap_or_default();
    let Some(problem) = problem else {
        return Fault::new(status.unwrap_or(STATUS_UNKNOWN), CODE_UNKNOWN, line);
    };
    let trace_id = problem.trace_id.as_deref().and_then(TraceId::parse);
    let fault = Fault::new(
        status.or(problem.status).unwrap_or(STATUS_UNKNOWN),
        problem.code.unwrap_or_else(|| CODE_UNKNOWN.to_owned()),
        problem.detail.unwrap_or_else(|| line.to_owned()),
    )
    .in_trace(trace_id);
    match problem.data {
        Some(data) => fault.with_data(data),
        None => fault,
    }
}
