//! The contracts that editions refer to: fetched by hash, verified, kept as long as somebody serves by them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use metropolis::bus::Bus;
use metropolis::contract::{Contract, ContractHash};
use metropolis::service::fetch_contract_up_to;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::offered::{Edition, ToRead};
use crate::operation::Promise;

/// A contract of somebody else may have this many bytes.
pub(super) const CONTRACT_BYTES_MAX: usize = 1024 * 1024;

/// All contracts together may have this many KiB; what is beyond is refused, and tried again later.
const CONTRACTS_KIB_MAX: usize = 32 * 1024;

/// Contracts that are fetched at once.
const FETCHES_MAX: usize = 128;

/// How long all contracts of one edition may take to come.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a contract times its named definitions: describing it takes that many steps at most.
const DEFINITION_STEPS_MAX: usize = 64 * 1024 * 1024;

/// What the endpoints of an edition promise, in their order; nothing is known of endpoints without a contract.
pub(crate) type Promises = Arc<[Option<Arc<Promise>>]>;

/// Where contracts come from.
#[derive(Debug)]
pub(super) struct Contracts {
    bus: Bus,
    /// Those that some edition holds; the others are forgotten.
    known: Mutex<HashMap<ContractHash, Weak<Promise>>>,
    room_kib: Arc<Semaphore>,
    fetches: Semaphore,
}

impl Contracts {
    pub(super) fn new(bus: Bus) -> Self {
        Self {
            bus,
            known: Mutex::default(),
            room_kib: Arc::new(Semaphore::new(CONTRACTS_KIB_MAX)),
            fetches: Semaphore::new(FETCHES_MAX),
        }
    }

    /// Reads an edition: the contracts of all of its endpoints, or the first reason why one cannot be had.
    pub(super) async fn read(self: Arc<Self>, to_read: ToRead) -> (u64, Result<Promises, String>) {
        let read = timeout(READ_TIMEOUT, self.promises(&to_read.edition)).await;
        let late = || format!("its contracts did not all come within {READ_TIMEOUT:?}");
        (to_read.serial, read.unwrap_or_else(|_| Err(late())))
    }

    async fn promises(&self, edition: &Edition) -> Result<Promises, String> {
        let mut promises = Vec::with_capacity(edition.endpoints.len());
        for endpoint in &edition.endpoints {
            let promise = match &endpoint.contract {
                None => None,
                Some(hash) => {
                    let promise = self.promise(hash).await;
                    Some(promise.map_err(|why| format!("endpoint `{}`: {why}", endpoint.name))?)
                }
            };
            promises.push(promise);
        }
        Ok(promises.into())
    }

    async fn promise(&self, hash: &str) -> Result<Arc<Promise>, String> {
        let hash = ContractHash::parse(hash)
            .ok_or_else(|| "its contract's hash is not 64 hexadecimal digits".to_owned())?;
        if let Some(known) = self.known().get(&hash).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let _place = self
            .fetches
            .acquire()
            .await
            .map_err(|error| error.to_string())?;
        let contract = fetch_contract_up_to(&self.bus, &hash, CONTRACT_BYTES_MAX)
            .await
            .map_err(|error| error.to_string())?;
        let room_kib = Arc::clone(&self.room_kib);
        let working_out = tokio::task::spawn_blocking(move || {
            let bytes = contract.to_json().len();
            check_definitions(&contract, bytes)?;
            let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
            let room = room_kib.try_acquire_many_owned(kib).map_err(|_| {
                format!("the contracts in service have more than {CONTRACTS_KIB_MAX} KiB together")
            })?;
            Ok::<_, String>(Arc::new(Promise::kept(contract, room)))
        });
        let promise = working_out.await.map_err(|error| error.to_string())??;
        let mut known = self.known();
        known.retain(|_, promise| promise.strong_count() > 0);
        known.insert(hash, Arc::downgrade(&promise));
        Ok(promise)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<ContractHash, Weak<Promise>>> {
        // Entries are put in and taken out whole, so a poisoned lock holds good ones.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_definitions(contract: &Contract, bytes: usize) -> Result<(), String> {
    let definitions = |schema: &Option<Value>| {
        let definitions = schema
            .as_ref()
            .and_then(|schema| schema["$defs"].as_object());
        definitions.map_or(0, serde_json::Map::len)
    };
    let definitions = definitions(&contract.input).max(definitions(&contract.output));
    if definitions.saturating_mul(bytes) > DEFINITION_STEPS_MAX {
        return Err(format!(
            "its contract has {definitions} definitions in {bytes} bytes, which is too much"
        ));
    }
    Ok(())
}
