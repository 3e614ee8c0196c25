//! What the gateway says about itself: the paths that are its own.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use metropolis::route::{Route, Segment};
use metropolis::telemetry::exposition::MEDIA_TYPE;
use metropolis::wire::JSON;

/// Paths that are the gateway's, now or in a release to come; no task can have them.
const RESERVED: &[&str] = &[
    "openapi.json",
    "healthz",
    "readyz",
    "_routes",
    "docs",
    "metrics",
    "_console",
];

/// The paths that are the gateway's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    OpenApi,
    Healthz,
    Readyz,
    Routes,
    Metrics,
}

impl BuiltIn {
    /// What the public listener answers.
    pub(crate) const PUBLIC: &[Self] = &[Self::OpenApi, Self::Healthz, Self::Readyz];
    /// What the public listener answers while it is local.
    pub(crate) const LOCAL: &[Self] = &[
        Self::OpenApi,
        Self::Healthz,
        Self::Readyz,
        Self::Routes,
        Self::Metrics,
    ];
    /// What the administrative listener answers.
    pub(crate) const ADMIN: &[Self] = &[Self::Healthz, Self::Readyz, Self::Routes, Self::Metrics];

    /// The one segment of the path.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OpenApi => "openapi.json",
            Self::Healthz => "healthz",
            Self::Readyz => "readyz",
            Self::Routes => "_routes",
            Self::Metrics => "metrics",
        }
    }
}

/// What `/metrics` answers.
pub(crate) fn metrics(text: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    let media_type = HeaderValue::from_static(MEDIA_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

pub(crate) fn json(body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

/// Everything below the console is the console's.
pub(crate) fn is_reserved(route: &Route) -> bool {
    match route.segments() {
        [Segment::Literal(only)] => RESERVED.contains(&only.as_str()),
        [Segment::Literal(first), ..] => first == "_console",
        _ => false,
    }
}
