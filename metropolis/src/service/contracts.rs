//! Contracts on the bus: served by hash in parts, and fetched, put together and verified by whoever needs one.
//!
//! A request to `metropolis.contract.<hash>` names a part, `{"part":2}`, or is empty for the first, 0. The reply is that
//! piece of the document's bytes, with the number of parts in the header `Metropolis-Parts`. All workers that have the
//! contract are one queue group, so that one of them answers.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::inlets::Inlets;
use super::offer::Offer;
use super::{CONTRACT, SEND_TIMEOUT};
use crate::bus::{Answer, Bus, Incoming, Outgoing, RequestError, SubscribeError};
use crate::contract::{BYTES_MAX, Contract, ContractError, ContractHash};
use crate::fault::Fault;
use crate::replies::ReplyRule;
use crate::subject::{Queue, Subject};
use crate::wire::{Headers, PARTS, Reply, Success};

/// A part has at most this many bytes.
pub const PART_MAX: usize = 256 * 1024;

/// A contract has at most this many parts: as many as the largest one has on a bus with a small limit.
pub const PARTS_MAX: usize = 1024;

/// How long one contract may take to be fetched.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// What a reply's headers and protocol line may need beside a part.
const OVERHEAD: usize = 1024;

/// The smallest part, on a bus that takes hardly more.
const PART_MIN: usize = 512;

/// The workers that share the requests for contracts.
pub(crate) const QUEUE: &str = "metropolis";

/// Why a contract was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// A request for a part was not answered.
    #[error("the contract was not fetched: {0}")]
    Unavailable(#[from] RequestError),
    /// A request for a part was answered with a fault.
    #[error("the contract was refused: {0}")]
    Refused(Fault),
    /// A reply does not say how many parts there are, or says more than [`PARTS_MAX`].
    #[error("the contract came without a number of parts, or with one above {PARTS_MAX}")]
    Parts,
    /// The parts together are not the contract.
    #[error(transparent)]
    Contract(#[from] ContractError),
}

/// The payload of a request.
#[derive(Default, Serialize, Deserialize)]
struct Asked {
    part: usize,
}

/// Fetches the contract of a hash from whoever serves it, and verifies it.
///
/// Takes five seconds at most, and no more than [`BYTES_MAX`] bytes.
///
/// # Errors
/// When nobody serves it, or what comes is not the contract.
pub async fn fetch_contract(bus: &Bus, hash: &ContractHash) -> Result<Contract, FetchError> {
    fetch_contract_up_to(bus, hash, BYTES_MAX).await
}

/// Fetches a contract of at most so many bytes, for those who fetch many at once.
///
/// # Errors
/// As [`fetch_contract`].
pub async fn fetch_contract_up_to(
    bus: &Bus,
    hash: &ContractHash,
    bytes_max: usize,
) -> Result<Contract, FetchError> {
    let deadline = Instant::now() + FETCH_TIMEOUT;
    let mut document = Vec::new();
    for part in 0..PARTS_MAX {
        let answer = bus.request(request(hash, part), deadline).await?;
        let success = success(answer)?;
        let parts = parts(&success.headers)?;
        if document.len() + success.payload.len() > bytes_max.min(BYTES_MAX) {
            return Err(ContractError::TooLarge { max: bytes_max }.into());
        }
        document.extend_from_slice(&success.payload);
        if part + 1 >= parts {
            break;
        }
    }
    Ok(Contract::read(&document, hash)?)
}

fn request(hash: &ContractHash, part: usize) -> Outgoing {
    let asked = serde_json::to_vec(&Asked { part });
    Outgoing {
        payload: Bytes::from(asked.expect("a number has a JSON form")),
        ..Outgoing::empty(subject(hash))
    }
}

fn subject(hash: &ContractHash) -> Subject {
    Subject::parse(format!("{CONTRACT}.{hash}")).expect("a hash is a plain token")
}

fn success(answer: Answer) -> Result<Success, FetchError> {
    match Reply::decode(answer.headers, answer.payload) {
        Reply::Success(success) => Ok(success),
        Reply::Fault(fault) => Err(FetchError::Refused(fault)),
        Reply::NotStarted(why) => Err(FetchError::Refused(why.as_fault())),
    }
}

fn parts(headers: &Headers) -> Result<usize, FetchError> {
    let parts = headers.get(PARTS).and_then(|text| text.parse().ok());
    parts
        .filter(|parts| (1..=PARTS_MAX).contains(parts))
        .ok_or(FetchError::Parts)
}

/// The documents of one worker.
#[derive(Debug)]
struct Shelf {
    bus: Bus,
    replies: Arc<ReplyRule>,
    /// The worker, named in refusals.
    instance: String,
    /// By the subject they are asked for on.
    documents: HashMap<Subject, Bytes>,
}

/// Subscribes to every contract of the offers; what is returned serves them until the worker has left.
pub(super) async fn serve(
    bus: &Bus,
    replies: &Arc<ReplyRule>,
    instance: &str,
    offers: &[Offer],
    leaving: watch::Receiver<Option<Instant>>,
) -> Result<impl Future<Output = ()> + use<>, SubscribeError> {
    // Tasks of the same types share a contract.
    let documents: HashMap<Subject, Bytes> = offers
        .iter()
        .map(|offer| (subject(&offer.hash), offer.document.clone()))
        .collect();
    let filters: Vec<String> = documents.keys().map(Subject::to_string).collect();
    let inlets = Inlets::open(bus, &filters, Some(&Queue::parse(QUEUE)?)).await?;
    let shelf = Shelf {
        bus: bus.clone(),
        replies: Arc::clone(replies),
        instance: instance.to_owned(),
        documents,
    };
    Ok(shelf.serve(inlets, leaving))
}

impl Shelf {
    async fn serve(self, mut inlets: Inlets, mut leaving: watch::Receiver<Option<Instant>>) {
        loop {
            tokio::select! {
                biased;
                Ok(()) = leaving.changed() => {
                    if let Some(deadline) = *leaving.borrow_and_update() {
                        inlets.drain(deadline);
                    }
                }
                incoming = inlets.next() => match incoming {
                    Some(incoming) => self.answer(incoming).await,
                    None => return,
                },
            }
        }
    }

    async fn answer(&self, incoming: Incoming) {
        let Some(to) = incoming.reply.clone() else {
            return;
        };
        if !self.replies.admits(&incoming) {
            return;
        }
        let (headers, payload) = self.part(&incoming).encode(&self.instance);
        let answer = Outgoing {
            headers,
            payload,
            ..Outgoing::empty(to)
        };
        let deadline = Instant::now() + SEND_TIMEOUT;
        if let Err(error) = self.bus.publish(answer, deadline).await {
            tracing::warn!(%error, "a part of a contract was not sent");
        }
    }

    fn part(&self, incoming: &Incoming) -> Reply {
        let document = self.documents.get(&incoming.subject);
        let document = document.cloned().unwrap_or_default();
        let asked = match serde_json::from_slice(&incoming.payload) {
            Ok(asked) => asked,
            Err(_) if incoming.payload.is_empty() => Asked::default(),
            Err(error) => return refused(400, "bad_input", error.to_string()),
        };
        let size = part_size(self.bus.payload_max());
        let parts = document.len().div_ceil(size);
        if asked.part >= parts {
            return refused(404, "no_such_part", format!("there are {parts} parts"));
        }
        let start = asked.part * size;
        let mut headers = Headers::new();
        let counted = headers.append(PARTS, parts.to_string());
        counted.expect("a number is printable");
        let payload = document.slice(start..document.len().min(start + size));
        Reply::Success(Success { headers, payload })
    }
}

/// Bytes of one part on a bus that takes `payload_max` in one message.
fn part_size(payload_max: usize) -> usize {
    payload_max
        .saturating_sub(OVERHEAD)
        .clamp(PART_MIN, PART_MAX)
}

fn refused(status: u16, code: &'static str, message: String) -> Reply {
    Reply::Fault(Fault::new(status, code, message))
}
