//! A collector of spans: takes OTLP over HTTP, real protobuf, and keeps what came.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::process::Launch;
use crate::wait::eventually;

/// How long a span may take from its end to the collector.
const PATIENCE: Duration = Duration::from_secs(20);

/// A span as it came.
#[derive(Clone, Debug)]
pub struct Span {
    /// `service.name` of the process that sent it.
    pub service: String,
    /// Its name.
    pub name: String,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// Empty for the first of a trace.
    pub parent_span_id: String,
    /// 2 is a server, 4 a producer, 5 a consumer, 1 internal.
    pub kind: i32,
    /// Whether it is marked as one of something that went wrong.
    pub is_error: bool,
    /// Attributes as texts.
    pub attributes: BTreeMap<String, String>,
}

/// A running collector; it ends when dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    spans: Kept,
    serving: JoinHandle<()>,
}

type Kept = Arc<Mutex<Vec<Span>>>;

impl Collector {
    /// Listens on a free port.
    ///
    /// # Panics
    ///
    /// When the system has no port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let spans = Kept::default();
        let routes = Router::new().route("/v1/traces", post(take));
        let routes = routes.with_state(Arc::clone(&spans));
        let serving = tokio::spawn(async move {
            axum::serve(listener, routes)
                .await
                .expect("a listener goes on");
        });
        Self {
            address,
            spans,
            serving,
        }
    }

    /// Tells a process, by the standard variables, to send its spans here as a service of this name.
    pub fn told(&self, launch: Launch, service: &str) -> Launch {
        let endpoint = format!("http://{}", self.address);
        launch
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .env("OTEL_SERVICE_NAME", service)
            .env("OTEL_BSP_SCHEDULE_DELAY", "50")
    }

    /// Everything that came so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("no holder panics").clone()
    }

    /// Waits until a trace has so many spans, and returns them.
    pub async fn trace(&self, trace_id: &str, count: usize) -> Vec<Span> {
        let of_trace = || -> Vec<Span> {
            let spans = self.spans().into_iter();
            spans.filter(|span| span.trace_id == trace_id).collect()
        };
        eventually(PATIENCE, async || of_trace().len() >= count).await;
        of_trace()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(kept): State<Kept>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let is_protobuf = headers
        .get("content-type")
        .is_some_and(|value| value == "application/x-protobuf");
    let Some(request) = ExportTraceServiceRequest::decode(body)
        .ok()
        .filter(|_| is_protobuf)
    else {
        return StatusCode::BAD_REQUEST;
    };
    let mut kept = kept.lock().expect("no holder panics");
    for resource_spans in request.resource_spans {
        let resource = resource_spans.resource.unwrap_or_default();
        let service = texts(resource.attributes)
            .remove("service.name")
            .unwrap_or_default();
        let spans = resource_spans
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans);
        kept.extend(spans.map(|span| read(&service, span)));
    }
    StatusCode::OK
}

fn read(service: &str, span: Sent) -> Span {
    const ERROR: i32 = 2;
    Span {
        service: service.to_owned(),
        name: span.name,
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_span_id: hex(&span.parent_span_id),
        kind: span.kind,
        is_error: span.status.is_some_and(|status| status.code == ERROR),
        attributes: texts(span.attributes),
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is_so)) => is_so.to_string(),
        other => format!("{other:?}"),
    };
    let attributes = attributes.into_iter();
    attributes
        .map(|attribute| (attribute.key, text(attribute.value)))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
