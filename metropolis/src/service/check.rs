//! The check before a start: a worker whose contracts break callers of those in service does not come up.
//!
//! NATS delivers to a new member of a queue group at once, and no gateway can hold that back. So the worker itself asks
//! what is in service, and a rolling update stops at its first instance.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::answers::{Endpoint, Info};
use super::compatibility::{Difference, breaking};
use super::offer::Offer;
use super::{INFO, METADATA_CONTRACT, fetch_contract, gather};
use crate::bus::Bus;
use crate::contract::ContractHash;
use crate::subject::Subject;

/// How long services may take to say what they serve.
const PATIENCE: Duration = Duration::from_millis(250);

/// How long contracts may take to be fetched, all together; what is not here by then is not compared.
const FETCH_ALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Contracts in service that differ from ours and are compared.
const RIVALS_MAX: usize = 4096;

/// Contracts that are fetched at once.
const FETCHES: usize = 16;

/// Why a worker must not start: the tasks whose contract breaks the one in service, all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaking(pub Vec<BrokenTask>);

/// One task whose contract breaks the one in service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenTask {
    /// Its name.
    pub name: String,
    /// Where it was written.
    pub origin: String,
    /// The subject it subscribes to.
    pub subject: String,
    /// What would break.
    pub differences: Vec<Difference>,
}

impl fmt::Display for Breaking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let breaks = if self.0.len() == 1 {
            "task breaks the contract that is"
        } else {
            "tasks break the contracts that are"
        };
        write!(f, "{} {breaks} in service", self.0.len())?;
        for task in &self.0 {
            write!(f, "\n  {}  {}  {}", task.name, task.origin, task.subject)?;
            for difference in &task.differences {
                write!(f, "\n    {difference}")?;
            }
        }
        f.write_str(
            "\n  give the new form a subject of its own, or start in spite of it: METROPOLIS_ALLOW_BREAKING=1",
        )
    }
}

impl std::error::Error for Breaking {}

/// Compares what this worker offers with what others serve on the same subjects.
///
/// The same contract has the same hash, so most starts fetch nothing. Whatever cannot be asked or read is logged and
/// passed over: a broken peer must not keep this worker from starting.
///
/// # Errors
/// With every task that breaks its callers.
pub(crate) async fn compare_with_service(bus: &Bus, offers: &[Offer]) -> Result<(), Breaking> {
    let rivals = rivals(&in_service(bus).await, offers);
    let comparing = stream::iter(rivals)
        .map(async |(at, hash)| compare(bus, &offers[at], &hash).await)
        .buffered(FETCHES)
        .filter_map(async |broken| broken);
    let mut comparing = std::pin::pin!(comparing);
    let mut broken: Vec<BrokenTask> = Vec::new();
    let all = async {
        while let Some(task) = comparing.next().await {
            add(&mut broken, task);
        }
    };
    if timeout(FETCH_ALL_TIMEOUT, all).await.is_err() {
        tracing::warn!("not all contracts in service came in time to be compared with ours");
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Breaking(broken))
}

async fn in_service(bus: &Bus) -> Vec<Info> {
    let question = Subject::parse(INFO).expect("a literal subject");
    match gather(bus, question, PATIENCE).await {
        Ok(answers) => answers
            .iter()
            .filter_map(|answer| Info::read(&answer.payload).ok())
            .collect(),
        Err(error) => {
            tracing::warn!(%error, "what is in service was not asked; contracts are not compared");
            Vec::new()
        }
    }
}

/// Contracts others serve on our subjects that are not ours: the place of our offer, and their hash.
fn rivals(in_service: &[Info], offers: &[Offer]) -> BTreeSet<(usize, ContractHash)> {
    let ours: HashMap<&str, usize> = offers
        .iter()
        .enumerate()
        .map(|(at, offer)| (offer.endpoint.subject.as_str(), at))
        .collect();
    let mut rivals = BTreeSet::new();
    for endpoint in in_service.iter().flat_map(|info| &info.endpoints) {
        let Some(at) = ours.get(endpoint.subject.as_str()) else {
            continue;
        };
        let hash = contract_of(endpoint).filter(|hash| *hash != offers[*at].hash);
        rivals.extend(hash.map(|hash| (*at, hash)));
        if rivals.len() >= RIVALS_MAX {
            break;
        }
    }
    rivals
}

/// `None` for the endpoints of services that are not ours.
fn contract_of(endpoint: &Endpoint) -> Option<ContractHash> {
    ContractHash::parse(endpoint.metadata.get(METADATA_CONTRACT)?)
}

async fn compare(bus: &Bus, offer: &Offer, hash: &ContractHash) -> Option<BrokenTask> {
    let endpoint = &offer.endpoint;
    let in_service = match fetch_contract(bus, hash).await {
        Ok(contract) => contract,
        Err(error) => {
            let subject = &endpoint.subject;
            tracing::warn!(%error, subject, "the contract in service is not compared with ours");
            return None;
        }
    };
    let differences = breaking(&in_service, &offer.contract);
    (!differences.is_empty()).then(|| BrokenTask {
        name: endpoint.name.clone(),
        origin: offer.origin.clone(),
        subject: endpoint.subject.clone(),
        differences,
    })
}

/// Of two contracts in service the new one may break both, often in the same way.
fn add(broken: &mut Vec<BrokenTask>, task: BrokenTask) {
    match broken
        .iter_mut()
        .find(|known| known.subject == task.subject)
    {
        Some(known) => {
            let new = task.differences.into_iter();
            let new: Vec<_> = new.filter(|it| !known.differences.contains(it)).collect();
            known.differences.extend(new);
        }
        None => broken.push(task),
    }
}
