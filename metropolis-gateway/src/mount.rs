//! The gateway as part of an axum application: its routes beside pages of the application's own, under its layers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use metropolis::RunningWorker;
use tower::service_fn;

use crate::site::{Side, Site};
use crate::workers;

/// A gateway without listeners, made by [`Gateway::mount`](crate::Gateway::mount) for an axum application.
///
/// Administrative paths are left out: who may reach the application is not known here.
#[derive(Debug)]
pub struct Mounted {
    site: Arc<Site>,
    workers: Vec<RunningWorker>,
    stop_timeout: Duration,
}

impl Mounted {
    pub(crate) fn new(site: Site, workers: Vec<RunningWorker>, stop_timeout: Duration) -> Self {
        Self {
            site: Arc::new(site),
            workers,
            stop_timeout,
        }
    }

    /// A router that answers every path: add routes to it, which come first, and layers, which go around all.
    ///
    /// ```no_run
    /// # use axum::{Router, routing::get};
    /// # async fn example(gateway: metropolis_gateway::Gateway) -> Result<(), Box<dyn std::error::Error>> {
    /// let mounted = gateway.mount().await?;
    /// let app = mounted.router().route("/", get(async || "a page of our own"));
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    /// axum::serve(listener, app).with_graceful_shutdown(metropolis::worker::stop_signal()).await?;
    /// mounted.stop().await;
    /// # Ok(()) }
    /// ```
    pub fn router(&self) -> Router {
        let site = Arc::clone(&self.site);
        Router::new().fallback_service(service_fn(move |request| {
            respond(Arc::clone(&site), request)
        }))
    }

    /// Stops the workers, which answer what they have taken. Call it when the application has stopped serving.
    pub async fn stop(self) {
        self.site.readiness().stop();
        workers::stop(self.workers, Instant::now() + self.stop_timeout).await;
    }
}

async fn respond(site: Arc<Site>, request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let (head, mut body) = request.into_parts();
    let response = site.respond(Side::Public, &head, &mut body).await;
    Ok(response.map(Body::from))
}
