//! One task as discovery offers it: its endpoint, its contract, and what it counts.

use std::sync::Arc;

use bytes::Bytes;

use super::answers::{Endpoint, Identity, Metadata};
use super::{
    METADATA_CONTRACT, METADATA_HTTP, METADATA_INSTANCE, METADATA_SUBJECT, METADATA_TIMEOUT_MS,
    METADATA_TRACE_IN_REPLY,
};
use crate::catalog::{Entry, Problem};
use crate::contract::{Contract, ContractHash};
use crate::route::Route;
use crate::subject::is_token;
use crate::telemetry::Counts;

/// The longest name of an endpoint; a longer one is cut.
const NAME_MAX: usize = 128;

/// One task of this worker, ready to be offered.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(super) endpoint: Endpoint,
    pub(super) contract: Contract,
    pub(super) hash: ContractHash,
    /// The contract as it is served.
    pub(super) document: Bytes,
    /// Where the task was written, for messages.
    pub(super) origin: String,
    counts: Arc<Counts>,
}

impl Offer {
    /// `measures` says whether durations are sorted into buckets.
    pub(crate) fn of(entry: &Entry, measures: bool) -> Self {
        let contract = Contract::of(entry);
        let hash = contract.hash();
        let meta = entry.meta();
        Self {
            endpoint: Endpoint {
                name: endpoint_name(meta.name),
                subject: entry.pattern.filter(),
                queue_group: entry.queue.as_str().to_owned(),
                metadata: metadata(entry, &hash),
            },
            document: contract.to_json(),
            contract,
            hash,
            origin: meta.origin.to_string(),
            counts: Arc::new(Counts::new(meta.name, entry.bounds(), measures)),
        }
    }

    /// Where the task's lane counts.
    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }
}

/// Who a worker is, by its service's name and the version of the package that holds its tasks.
///
/// # Errors
/// When the name cannot be a part of a subject.
pub(crate) fn identity(name: &str, instance: &str, version: &str) -> Result<Identity, Problem> {
    if !is_token(name) {
        return Err(Problem::new(format!("`{name}` is no service name"))
            .help("use letters, digits, `-` and `_`: `with_service`, or METROPOLIS_SERVICE"));
    }
    // Cargo has checked the version already; a spec made by hand may hold any text.
    let version = semver::Version::parse(version).unwrap_or(semver::Version::new(0, 0, 0));
    Ok(Identity {
        name: name.to_owned(),
        id: instance.to_owned(),
        version: version.to_string(),
        metadata: Metadata::from([
            (METADATA_INSTANCE.to_owned(), instance.to_owned()),
            (METADATA_TRACE_IN_REPLY.to_owned(), "true".to_owned()),
        ]),
    })
}

fn metadata(entry: &Entry, hash: &ContractHash) -> Metadata {
    let http = entry.route.as_ref().map(Route::to_string);
    let timeout_ms = entry.meta().timeout.as_millis().to_string();
    [
        (METADATA_HTTP, http.unwrap_or_else(|| "none".to_owned())),
        (METADATA_SUBJECT, entry.pattern.as_str().to_owned()),
        (METADATA_TIMEOUT_MS, timeout_ms),
        (METADATA_CONTRACT, hash.to_string()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// A task's name with what ADR-32 does not allow, such as letters outside ASCII, replaced.
fn endpoint_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.chars()
        .take(NAME_MAX)
        .map(|c| if allowed(c) { c } else { '_' })
        .collect()
}
