//! Live: configuration that changes while a process runs, read from a key-value bucket of JetStream where there is one.
//!
//! A `document` says what an operator wants of a worker, and its `limits` are where that is in force; a
//! `setting` is a value of the application's own. Both come from a `bucket` by way of a `follower`. Who puts a document in
//! force is the worker's or the gateway's affair: nothing here knows either. How it looks to an operator is in
//! `docs/live.md`.

mod bucket;
pub(crate) mod document;
mod excerpt;
mod findings;
mod follower;
mod limits;
mod members;
mod setting;
mod status;

pub use bucket::{Bucket, Entry, hint_filter, read_subject};
pub(crate) use excerpt::excerpt;
pub use findings::{Findings, Refusal};
pub use follower::Follower;
pub(crate) use limits::{Bounds, Limits};
pub use limits::{CONCURRENCY_FACTOR, CONCURRENCY_MAX, TIMEOUT_MIN};
pub(crate) use members::written;
pub use members::{DOCUMENT_MAX, Members};
pub(crate) use setting::{Followed, Shelf, Snapshot};
pub use setting::{Setting, SettingValue};
pub(crate) use status::Status;

/// The key of a service's document.
#[must_use]
pub fn service_key(service: &str) -> String {
    format!("service.{service}")
}

/// The key of a setting of a service.
#[must_use]
pub fn setting_key(service: &str, key: &str) -> String {
    format!("setting.{service}.{key}")
}

/// The key of the document that gateways follow.
pub const GATEWAY_KEY: &str = "gateway";
