//! What an instance says of itself, cut down to what the gateway uses.

use std::sync::Arc;

use bytes::Bytes;
use metropolis::service::{
    Endpoint, Info, METADATA_CONTRACT, METADATA_HTTP, METADATA_INSTANCE, METADATA_SUBJECT,
    METADATA_TIMEOUT_MS, METADATA_TRACE_IN_REPLY, Metadata,
};

/// An answer or announcement may have this many bytes; a larger one is not read.
pub(crate) const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Endpoints of one service that are looked at; one with more is quarantined.
pub(crate) const ENDPOINTS_MAX: usize = 1024;

/// The most characters of what is wrong with an answer.
const WHY_MAX: usize = 200;

/// The longest name of a service or an instance.
const NAME_MAX: usize = 128;

/// Up to this size reading takes less time than moving it to another thread.
const READ_IN_PLACE_MAX: usize = 16 * 1024;

/// One endpoint of a service, as it was announced and not checked in any way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Offered {
    pub(crate) name: String,
    /// What it subscribes to.
    pub(crate) subject: String,
    pub(crate) queue: String,
    pub(crate) http: Option<String>,
    pub(crate) pattern: Option<String>,
    pub(crate) timeout_ms: Option<String>,
    pub(crate) contract: Option<String>,
}

/// What instances of one service have in common that offer exactly the same.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Edition {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Whether it reads the trace of a request that nobody records from the reply subject.
    pub(crate) reads_trace_in_reply: bool,
    /// At most [`ENDPOINTS_MAX`].
    pub(crate) endpoints: Vec<Offered>,
    /// How many more there were.
    pub(crate) left_out: usize,
}

/// An edition to be read: its contracts are to be fetched.
#[derive(Debug, Clone)]
pub(super) struct ToRead {
    pub(super) serial: u64,
    pub(super) edition: Arc<Edition>,
}

/// One instance, and what it offers.
#[derive(Debug)]
pub(super) struct Announced {
    pub(super) id: String,
    /// The worker it belongs to, which may be several services.
    pub(super) instance: String,
    pub(super) edition: Arc<Edition>,
    /// How many bytes it took to say this.
    pub(super) bytes: usize,
}

impl Announced {
    /// Reads an answer to `INFO`, or an announcement, which is one; or says what is wrong with it, as in `it …`.
    pub(super) async fn read(payload: Bytes) -> Result<Self, String> {
        let bytes = payload.len();
        if bytes > ANSWER_BYTES_MAX {
            return Err(format!(
                "has {bytes} bytes; {ANSWER_BYTES_MAX} are read at most"
            ));
        }
        if bytes <= READ_IN_PLACE_MAX {
            return Self::of(&payload);
        }
        let reading = tokio::task::spawn_blocking(move || Self::of(&payload));
        reading
            .await
            .unwrap_or_else(|error| Err(format!("could not be read: {error}")))
    }

    fn of(payload: &[u8]) -> Result<Self, String> {
        let info = Info::read(payload).map_err(|error| wrong(&error))?;
        let identity = info.identity;
        if !is_name(&identity.name) || !is_name(&identity.id) {
            return Err("names a service or an instance with a name that is none".to_owned());
        }
        if identity.version.len() > NAME_MAX {
            return Err("has a version that is too long".to_owned());
        }
        let instance = identity.metadata.get(METADATA_INSTANCE);
        let instance = instance.filter(|instance| is_name(instance));
        let reads_trace_in_reply = identity.metadata.get(METADATA_TRACE_IN_REPLY);
        let reads_trace_in_reply = reads_trace_in_reply.is_some_and(|reads| reads == "true");
        let left_out = info.endpoints.len().saturating_sub(ENDPOINTS_MAX);
        let endpoints = info.endpoints.into_iter().take(ENDPOINTS_MAX);
        Ok(Self {
            instance: instance.unwrap_or(&identity.id).clone(),
            id: identity.id,
            edition: Arc::new(Edition {
                name: identity.name,
                version: identity.version,
                reads_trace_in_reply,
                endpoints: endpoints.map(Offered::of).collect(),
                left_out,
            }),
            bytes: payload.len(),
        })
    }
}

/// The error may quote what was sent, which can be long and hold anything.
fn wrong(error: &serde_json::Error) -> String {
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let error = error.to_string();
    let error: String = error.chars().take(WHY_MAX).map(printable).collect();
    format!("is no answer to INFO: {error}")
}

impl Offered {
    fn of(endpoint: Endpoint) -> Self {
        let mut metadata = endpoint.metadata;
        let mut take = |key: &str| Metadata::remove(&mut metadata, key);
        Self {
            http: take(METADATA_HTTP),
            pattern: take(METADATA_SUBJECT),
            timeout_ms: take(METADATA_TIMEOUT_MS),
            contract: take(METADATA_CONTRACT),
            name: endpoint.name,
            subject: endpoint.subject,
            queue: endpoint.queue_group,
        }
    }
}

/// Whether a text is a name by ADR-32, so that it can stand in a subject, a log and a listing.
pub(crate) fn is_name(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(good)
}
