//! The three answers of ADR-32, as JSON has them. Data alone; written by a worker, read by a gateway.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Small strings that describe a service or an endpoint.
pub type Metadata = BTreeMap<String, String>;

const PING: &str = "io.nats.micro.v1.ping_response";
const INFO: &str = "io.nats.micro.v1.info_response";
const STATS: &str = "io.nats.micro.v1.stats_response";

/// Who answers: what all three answers begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The service's name, shared by all of its instances.
    pub name: String,
    /// The instance's id, unique among all.
    pub id: String,
    /// The service's version, by Semantic Versioning.
    pub version: String,
    /// Small strings; written as an object even when there are none, read also as `null`.
    #[serde(default, deserialize_with = "or_none")]
    pub metadata: Metadata,
}

/// The answer to `PING`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// Always the same.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// Who answers.
    #[serde(flatten)]
    pub identity: Identity,
}

/// The answer to `INFO`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Always the same.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// Who answers.
    #[serde(flatten)]
    pub identity: Identity,
    /// What the service is for; may be empty.
    #[serde(default, deserialize_with = "or_none")]
    pub description: String,
    /// What it serves.
    #[serde(default, deserialize_with = "or_none")]
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint in [`Info`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its name; several may have the same.
    pub name: String,
    /// The subject it subscribes to, wildcards included.
    pub subject: String,
    /// The queue group it is a member of; empty or absent when it is in none.
    #[serde(default, deserialize_with = "or_none")]
    pub queue_group: String,
    /// Small strings, ours among them.
    #[serde(default, deserialize_with = "or_none")]
    pub metadata: Metadata,
}

/// The answer to `STATS`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Always the same.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// Who answers.
    #[serde(flatten)]
    pub identity: Identity,
    /// When the service was started, as RFC 3339 has it, in UTC.
    pub started: String,
    /// What it did.
    pub endpoints: Vec<EndpointStats>,
}

/// One endpoint in [`Stats`]. Times are nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointStats {
    /// Its name.
    pub name: String,
    /// The subject it subscribes to.
    pub subject: String,
    /// The queue group it is a member of.
    #[serde(default)]
    pub queue_group: String,
    /// Requests that were answered in any way.
    pub num_requests: u64,
    /// Requests that were answered with a fault; those that ran nothing are in `data`.
    pub num_errors: u64,
    /// The last fault, as `<status>:<text>`; empty when there was none.
    pub last_error: String,
    /// Time spent on requests, all together.
    pub processing_time: u64,
    /// Time spent on one request, on average.
    pub average_processing_time: u64,
    /// What a worker knows beyond the standard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
}

impl Ping {
    /// Who answers.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        let kind = Cow::Borrowed(PING);
        Self { kind, identity }
    }
}

impl Info {
    /// Who answers, and what it serves.
    #[must_use]
    pub fn new(identity: Identity, endpoints: Vec<Endpoint>) -> Self {
        Self {
            kind: Cow::Borrowed(INFO),
            identity,
            description: String::new(),
            endpoints,
        }
    }

    /// Reads what somebody answered or announced.
    ///
    /// # Errors
    /// When it is no answer to `INFO`.
    pub fn read(payload: &[u8]) -> serde_json::Result<Self> {
        let info: Self = serde_json::from_slice(payload)?;
        if info.kind != INFO {
            let other = format!("its type is {:?}, not {INFO:?}", info.kind);
            return Err(serde_json::Error::custom(other));
        }
        Ok(info)
    }
}

impl Stats {
    /// Who answers, and what it did.
    #[must_use]
    pub fn new(identity: Identity, started: String, endpoints: Vec<EndpointStats>) -> Self {
        Self {
            kind: Cow::Borrowed(STATS),
            identity,
            started,
            endpoints,
        }
    }
}

/// Services in Go write `null` for no metadata, those in Python for no description.
fn or_none<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
