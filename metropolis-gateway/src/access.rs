//! Access: one request from its head to its answer, as it is counted and logged.
//!
//! Never a path, a query, a header or a body: what a line holds is the route's pattern and what became of the request.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{Method, StatusCode};
use metropolis::log::ACCESS;
use metropolis::telemetry::Trace;

use crate::metrics::{Meter, Metrics};
use crate::traced;

/// What counts as the status of a request whose client has gone before it was answered.
const CLIENT_GONE: u16 = 499;

/// The longest id of a worker; ours are shorter.
const INSTANCE_MAX: usize = 64;

/// A request that is being answered. What it came to is counted and logged when this is dropped, so that a client that
/// goes away is too.
#[derive(Debug)]
pub(crate) struct Passage<'s> {
    /// `None` where metrics are switched off.
    metrics: Option<&'s Metrics>,
    meter: &'s Meter,
    /// `None` where nobody wants to know.
    begun: Option<Instant>,
    method: &'static str,
    task: Option<&'s str>,
    /// Whether it asks for one of the gateway's own paths, which probes do all the time.
    is_own: bool,
    instance: Option<String>,
    code: Option<Cow<'static, str>>,
    status: u16,
    trace: Trace,
}

impl<'s> Passage<'s> {
    /// A request that has come and is on no route yet.
    pub(crate) fn begin(
        metrics: &'s Metrics,
        is_counted: bool,
        head: &Parts,
        trusts_traces: bool,
    ) -> Self {
        let method = label(&head.method);
        let is_watched = is_counted || tracing::enabled!(target: ACCESS, tracing::Level::INFO);
        if is_counted {
            metrics.begin();
        }
        Self {
            metrics: is_counted.then_some(metrics),
            meter: metrics.unrouted(),
            begun: is_watched.then(Instant::now),
            method,
            trace: traced::begin(head, trusts_traces, method),
            task: None,
            is_own: false,
            instance: None,
            code: None,
            status: CLIENT_GONE,
        }
    }

    /// The path is one of the routes'.
    pub(crate) fn on_route(&mut self, meter: &'s Meter) {
        self.meter = meter;
        traced::on_route(&self.trace, self.method, meter.route().unwrap_or_default());
    }

    /// The route is that of a task.
    pub(crate) fn reaches(&mut self, task: &'s str) {
        self.task = Some(task);
    }

    /// The path is one of the gateway's own.
    pub(crate) fn stays_here(&mut self) {
        self.is_own = true;
    }

    /// The request's trace.
    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The worker that has answered is known, if it is one of ours: others may say anything.
    pub(crate) fn by(&mut self, instance: Option<String>) {
        self.instance = instance.filter(|instance| instance.len() <= INSTANCE_MAX);
    }

    /// There is no value; the code says why.
    pub(crate) fn fails(&mut self, code: Cow<'static, str>) {
        self.code = Some(code);
    }

    /// The answer is known.
    pub(crate) fn end(mut self, status: StatusCode) {
        self.status = status.as_u16();
    }

    fn log(&self, took: Duration) {
        let duration_ms = took.as_micros() as f64 / 1e3;
        let (method, status) = (self.method, self.status);
        let (route, task, code) = (self.meter.route(), self.task, self.code.as_deref());
        let instance = self.instance.as_deref();
        let trace_id = self.trace.trace_id().map(tracing::field::display);
        if self.is_own {
            tracing::debug!(target: ACCESS, method, route, status, duration_ms, code, trace_id, "request");
        } else {
            tracing::info!(target: ACCESS, method, route, status, duration_ms, task, instance, code, trace_id, "request");
        }
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        traced::end(&self.trace, self.status, self.code.as_deref());
        let Some(begun) = self.begun else { return };
        let took = begun.elapsed();
        if let Some(metrics) = self.metrics {
            metrics.end();
            self.meter.observe(self.method, self.status, took);
            if let Some(code) = &self.code {
                self.meter.fault(code);
            }
        }
        self.log(took);
    }
}

/// Methods that nobody has listed are told apart by nobody.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "_OTHER",
    }
}
