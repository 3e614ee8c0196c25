//! What the gateway says about itself: the paths that are its own.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use metropolis::route::{Method, Route, Segment};
use metropolis::telemetry::exposition::MEDIA_TYPE;
use metropolis::wire::JSON;

use crate::assets::{self, Asset};

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

/// First segments below which everything is the gateway's.
const RESERVED_BELOW: &[&str] = &["_console", "_docs"];

/// What the page of the console asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Everything that moves.
    Data,
    /// What one task promises.
    Promise,
    /// What comes of a request.
    Attempt,
}

/// The paths that are the gateway's own.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BuiltIn {
    OpenApi,
    Healthz,
    Readyz,
    Routes,
    Metrics,
    Asset(&'static Asset),
    Console(Ask),
}

impl BuiltIn {
    /// The segments of the path.
    pub(crate) fn path(self) -> &'static [&'static str] {
        match self {
            Self::OpenApi => &["openapi.json"],
            Self::Healthz => &["healthz"],
            Self::Readyz => &["readyz"],
            Self::Routes => &["_routes"],
            Self::Metrics => &["metrics"],
            Self::Asset(asset) => asset.path,
            Self::Console(Ask::Data) => &["_console", "data"],
            Self::Console(Ask::Promise) => &["_console", "task"],
            Self::Console(Ask::Attempt) => &["_console", "try"],
        }
    }

    pub(crate) fn method(self) -> Method {
        match self {
            Self::Console(Ask::Attempt) => Method::Post,
            _ => Method::Get,
        }
    }
}

/// The gateway's own paths, by the listener they are answered on.
#[derive(Debug, Clone)]
pub(crate) struct OwnPaths {
    pub(crate) public: Vec<BuiltIn>,
    pub(crate) admin: Vec<BuiltIn>,
}

impl OwnPaths {
    /// Those of a gateway with these pages. While its public listener is local, that one has the administrative paths too.
    pub(crate) fn of(pages: Pages, is_local: bool) -> Self {
        let health = [BuiltIn::Healthz, BuiltIn::Readyz];
        let mut public: Vec<BuiltIn> = [BuiltIn::OpenApi].into_iter().chain(health).collect();
        if pages.docs {
            public.extend(assets::DOCS.iter().map(BuiltIn::Asset));
        }
        let mut administrative = vec![BuiltIn::Routes, BuiltIn::Metrics];
        if pages.console {
            administrative.extend(assets::CONSOLE.iter().map(BuiltIn::Asset));
            administrative.extend(CONSOLE);
        }
        if is_local {
            public.extend_from_slice(&administrative);
        }
        let admin = health.into_iter().chain(administrative).collect();
        Self { public, admin }
    }
}

/// What the console's page asks for.
const CONSOLE: [BuiltIn; 3] = [
    BuiltIn::Console(Ask::Data),
    BuiltIn::Console(Ask::Promise),
    BuiltIn::Console(Ask::Attempt),
];

/// Which pages there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pages {
    pub(crate) docs: bool,
    pub(crate) console: bool,
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

/// Whether a route would take a path of the gateway's own, or one that is kept for it.
pub(crate) fn is_reserved(route: &Route) -> bool {
    match route.segments() {
        [Segment::Literal(only)] => RESERVED.contains(&only.as_str()),
        [Segment::Literal(first), ..] => RESERVED_BELOW.contains(&first.as_str()),
        _ => false,
    }
}
