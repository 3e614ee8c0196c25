//! A gateway without sockets, for tests of routes: requests and responses are values.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::Full;
use metropolis::RunningWorker;
use metropolis::wire::JSON;
use serde::Serialize;

use crate::site::{Side, Site};
use crate::workers;

/// A gateway in this process, made by [`Gateway::in_process`](crate::Gateway::in_process).
///
/// It counts as bound to a local address, so administrative paths are answered.
#[derive(Debug)]
pub struct InProcess {
    site: Site,
    workers: Vec<RunningWorker>,
    stop_timeout: Duration,
}

impl InProcess {
    pub(crate) fn new(site: Site, workers: Vec<RunningWorker>, stop_timeout: Duration) -> Self {
        Self {
            site,
            workers,
            stop_timeout,
        }
    }

    /// Answers a request. Dropping the future is a client that goes away.
    pub async fn request(&self, request: Request<impl Into<Bytes>>) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let mut body = Full::new(body.into());
        self.site.respond(Side::Public, &head, &mut body).await
    }

    /// For the benches; may change in any release. What telemetry does for one request to a task, and nothing else.
    #[doc(hidden)]
    pub fn observe(&self, head: &Parts) {
        self.site.observe(head);
    }

    /// Answers `GET` of a path with its query.
    ///
    /// # Panics
    /// When the text is no path.
    pub async fn get(&self, path: &str) -> Response<Bytes> {
        self.request(request(Method::GET, path, Bytes::new())).await
    }

    /// Answers `POST` of a value, sent as JSON.
    ///
    /// # Panics
    /// When the text is no path, or the value has no JSON form.
    pub async fn post(&self, path: &str, value: impl Serialize) -> Response<Bytes> {
        let body = serde_json::to_vec(&value).expect("the value has a JSON form");
        let mut request = request(Method::POST, path, body.into());
        let media_type = http::HeaderValue::from_static(JSON);
        request.headers_mut().insert(CONTENT_TYPE, media_type);
        self.request(request).await
    }

    /// The workers of this process.
    #[must_use]
    pub fn workers(&self) -> &[RunningWorker] {
        &self.workers
    }

    /// Stops the workers, which answer what they have taken.
    pub async fn stop(self) {
        workers::stop(self.workers, Instant::now() + self.stop_timeout).await;
    }
}

fn request(method: Method, path: &str, body: Bytes) -> Request<Bytes> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(body)
        .unwrap_or_else(|error| panic!("`{path}` is no path: {error}"))
}
