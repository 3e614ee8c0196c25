//! Spans on their way to a collector: OTLP over HTTP, as the standard variables `OTEL_…` want it.
//!
//! What is recorded was decided before there is a span, so the library's own sampler is asked nothing: it takes all that
//! come. Only what happens inside a recorded request comes: a program's own spans elsewhere are not traces of requests.

use std::cell::Cell;
use std::env;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, Sampler as TakesAll, SdkTracerProvider,
};
use tokio::runtime::Handle;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::{self, Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::sampler::Sampler;
use super::spans::{Parent, Recorder, TARGET};
use crate::config::Settings;
use crate::trace::{TraceContext, TraceId};

/// How long an export may take unless told otherwise; the standard's default.
const TIMEOUT: Duration = Duration::from_secs(10);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Begins to record, where the environment names a collector; the layer has to be made a part of the subscriber.
///
/// # Errors
/// With a sentence that says why nothing is recorded although it is wanted.
pub(super) fn start<S>(
    settings: &Settings,
) -> Result<Option<Box<dyn Layer<S> + Send + Sync>>, String>
where
    S: tracing::Subscriber + for<'s> LookupSpan<'s> + Send + Sync,
{
    if !is_wanted() || PROVIDER.get().is_some() {
        return Ok(None);
    }
    let sampler = sampler()?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter()?)
        .with_sampler(TakesAll::AlwaysOn)
        .with_id_generator(Ids::default())
        .with_resource(resource(settings))
        .build();
    let tracer = provider.tracer("metropolis");
    let provider = PROVIDER.get_or_init(|| provider);
    opentelemetry::global::set_tracer_provider(provider.clone());
    super::spans::record(Recorder {
        sampler,
        begin,
        rename,
        place: of_span,
        current,
    });
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    Ok(Some(spans.with_filter(Recorded).boxed()))
}

/// Whether somebody waits for spans, as far as the standard variables say.
fn is_wanted() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_off = |name, off: &str| env::var(name).is_ok_and(|value| value.trim() == off);
    let has_endpoint =
        is_set("OTEL_EXPORTER_OTLP_ENDPOINT") || is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    has_endpoint && !is_off("OTEL_SDK_DISABLED", "true") && !is_off("OTEL_TRACES_EXPORTER", "none")
}

fn sampler() -> Result<Sampler, String> {
    let argument = env::var("OTEL_TRACES_SAMPLER_ARG").ok();
    match env::var("OTEL_TRACES_SAMPLER") {
        Ok(name) if !name.trim().is_empty() => Sampler::read(name.trim(), argument.as_deref()),
        _ => Ok(Sampler::DEFAULT),
    }
}

fn exporter() -> Result<SpanExporter, String> {
    let protocol = [
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    ];
    let protocol = protocol.iter().find_map(|name| env::var(name).ok());
    if let Some(other) = protocol.filter(|protocol| protocol != "http/protobuf") {
        return Err(format!(
            "OTEL_EXPORTER_OTLP_PROTOCOL: spans are sent as http/protobuf, to port 4318 of most collectors, and not as `{other}`"
        ));
    }
    let client = Client::new().map_err(|error| error.to_string())?;
    let exporter = SpanExporter::builder().with_http().with_http_client(client);
    exporter.build().map_err(|error| error.to_string())
}

/// The process as `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` describe it, named as its service otherwise, or as
/// its program.
fn resource(settings: &Settings) -> Resource {
    let version = KeyValue::new("telemetry.distro.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attributes([
        KeyValue::new("telemetry.distro.name", "metropolis"),
        version,
    ]);
    let attributes = env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_named = env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty())
        || attributes
            .split(',')
            .any(|pair| pair.trim_start().starts_with("service.name="));
    if is_named {
        return resource.build();
    }
    let program = env::current_exe().ok();
    let program = program
        .as_deref()
        .and_then(|path| path.file_stem()?.to_str());
    let name = settings
        .service
        .as_deref()
        .or(program)
        .unwrap_or("metropolis");
    resource.with_service_name(name.to_owned()).build()
}

/// Sends what was recorded. Blocks until it was taken, or failed.
pub(super) fn flush() {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.force_flush()
    {
        tracing::warn!(%error, "the last spans were not sent");
    }
}

/// Sends on the application's own runtime what the exporter's thread, which has none, wants sent.
#[derive(Debug)]
struct Client {
    inner: HyperClient<
        hyper_rustls::HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>,
    >,
    runtime: Handle,
}

impl Client {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let runtime = Handle::try_current()?;
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .build();
        let inner = HyperClient::new(connector, timeout(), None);
        Ok(Self { inner, runtime })
    }
}

fn timeout() -> Duration {
    let names = [
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
    ];
    let ms = names
        .iter()
        .find_map(|name| env::var(name).ok()?.parse().ok());
    ms.map_or(TIMEOUT, Duration::from_millis)
}

/// What `#[async_trait]` makes of it.
impl HttpClient for Client {
    fn send_bytes<'c, 'f>(
        &'c self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        'c: 'f,
        Self: 'f,
    {
        let inner = self.inner.clone();
        let sending = self
            .runtime
            .spawn(async move { inner.send_bytes(request).await });
        Box::pin(async move { sending.await? })
    }
}

/// Lets spans of ours through, which exist for recorded requests alone, and what happens inside of them.
struct Recorded;

impl<S: tracing::Subscriber + for<'s> LookupSpan<'s>> Filter<S> for Recorded {
    fn enabled(&self, meta: &Metadata<'_>, cx: &layer::Context<'_, S>) -> bool {
        *meta.level() <= LevelFilter::INFO
            && (meta.target() == TARGET || cx.lookup_current().is_some())
    }

    fn callsite_enabled(&self, meta: &'static Metadata<'static>) -> Interest {
        if meta.target() == TARGET {
            return Interest::always();
        }
        // Access lines are written when their span is over.
        if *meta.level() > LevelFilter::INFO || meta.target() == crate::log::ACCESS {
            return Interest::never();
        }
        Interest::sometimes()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

thread_local! {
    static NEXT: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Names a trace as it was named when it was decided to record it.
#[derive(Debug, Default)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> opentelemetry::TraceId {
        match NEXT.take() {
            Some(next) => opentelemetry::TraceId::from_bytes(next.to_bytes()),
            None => self.0.new_trace_id(),
        }
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

/// Starts a span of a request: below a span of another process, or as the first of its trace.
fn begin(span: &Span, trace_id: TraceId, parent: Option<Parent<'_>>) -> Option<TraceContext> {
    if let Some(Parent { place, state }) = parent {
        let state = state.and_then(|state| TraceState::from_str(state).ok());
        let parent = SpanContext::new(
            opentelemetry::TraceId::from_bytes(trace_id.to_bytes()),
            SpanId::from_bytes(place.span_id()),
            TraceFlags::SAMPLED,
            true,
            state.unwrap_or_default(),
        );
        span.set_parent(Context::new().with_remote_span_context(parent))
            .ok()?;
    }
    NEXT.set(Some(trace_id));
    let begun = of_span(span);
    NEXT.set(None);
    begun
}

/// Recording `otel.name` does nothing to a span that was started (tracing-opentelemetry 0.34).
fn rename(span: &Span, name: String) {
    span.context().span().update_name(name);
}

/// The place of the span that is entered on this thread, if any.
fn current() -> Option<TraceContext> {
    Context::map_current(|context| place(context.span().span_context()))
}

fn of_span(span: &Span) -> Option<TraceContext> {
    place(span.context().span().span_context())
}

fn place(span: &SpanContext) -> Option<TraceContext> {
    let trace_id = TraceId::from_bytes(span.trace_id().to_bytes())?;
    TraceContext::new(trace_id, span.span_id().to_bytes(), span.is_sampled())
}
