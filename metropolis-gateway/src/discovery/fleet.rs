//! The instances that are there, grouped by what they offer. Pure but for the log.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::contracts::Promises;
use super::offered::{Announced, Edition, ToRead};
use super::pulse::Pulse;

/// Instances that are kept, of all services together and of one.
pub(super) const INSTANCES_MAX: usize = 4096;
pub(super) const INSTANCES_PER_SERVICE_MAX: usize = 1024;

/// Editions that are kept, and what they may have taken to be told, in bytes.
pub(super) const EDITIONS_MAX: usize = 1024;
pub(super) const EDITIONS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// An edition with its instances, as it can be told to others.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Told apart from all other editions by this, and older ones have smaller numbers.
    pub(crate) serial: u64,
    pub(crate) edition: Arc<Edition>,
    /// What the endpoints promise, or why that is not known.
    pub(crate) promises: Result<Promises, String>,
    /// The workers behind it, sorted.
    pub(crate) instances: Vec<String>,
}

/// What came of somebody's joining.
#[derive(Debug, Default)]
pub(super) struct Joined {
    pub(super) to_read: Option<ToRead>,
    pub(super) has_changed: bool,
}

/// Everybody who is there.
///
/// Invariant: every instance is at one berth, every berth has an instance, and `serials` has all berths.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    instances: HashMap<Key, Instance>,
    berths: BTreeMap<u64, Berth>,
    serials: HashMap<Arc<Edition>, u64>,
    bytes: usize,
    next: u64,
    /// Who left while a round is under way: an answer given before must not bring them back. `None` between rounds.
    left: Option<HashSet<Key>>,
}

/// Service and id.
type Key = (String, String);

#[derive(Debug)]
struct Instance {
    serial: u64,
    worker: String,
    pulse: Pulse,
}

#[derive(Debug)]
struct Berth {
    edition: Arc<Edition>,
    instances: usize,
    bytes: usize,
    /// `None` while it is being read.
    promises: Option<Result<Promises, String>>,
}

impl Fleet {
    /// Takes in what an instance says of itself now.
    pub(super) fn join(&mut self, announced: Announced) -> Joined {
        let key = (announced.edition.name.clone(), announced.id);
        if self.left.as_ref().is_some_and(|left| left.contains(&key)) {
            return Joined::default();
        }
        let known = self.serials.get(&announced.edition).copied();
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.pulse.hear();
            if known == Some(instance.serial) {
                return Joined::default();
            }
            // It offers something else than before; ids are not meant for that, but nothing forbids it.
            self.remove(&key);
        }
        if !self.has_room(
            &announced.edition.name,
            known.is_none().then_some(announced.bytes),
        ) {
            let (service, id) = &key;
            tracing::debug!(
                service,
                id,
                "there are more services than this gateway keeps"
            );
            return Joined::default();
        }
        let to_read = match known {
            Some(_) => None,
            None => Some(self.open(announced.edition, announced.bytes)),
        };
        let serial = to_read
            .as_ref()
            .map(|new| new.serial)
            .or(known)
            .unwrap_or_default();
        if let Some(berth) = self.berths.get_mut(&serial) {
            berth.instances += 1;
        }
        let instance = Instance {
            serial,
            worker: announced.instance,
            pulse: Pulse::heard(),
        };
        self.instances.insert(key, instance);
        Joined {
            // What has to be read first changes nothing before it is.
            has_changed: to_read.is_none(),
            to_read,
        }
    }

    /// Forgets an instance that says it leaves; whether it was known.
    pub(super) fn leave(&mut self, name: &str, id: &str) -> bool {
        let key = (name.to_owned(), id.to_owned());
        let was_known = self.remove(&key);
        // Beyond the bound an answer may bring somebody back, whom silence removes again.
        if was_known
            && let Some(left) = &mut self.left
            && left.len() < INSTANCES_MAX
        {
            left.insert(key);
        }
        was_known
    }

    /// Whether it is known what an instance offers.
    pub(super) fn has(&self, name: &str, id: &str) -> bool {
        let key = (name.to_owned(), id.to_owned());
        self.instances.contains_key(&key)
    }

    /// Notes that an instance lives.
    pub(super) fn hear(&mut self, name: &str, id: &str) {
        let key = (name.to_owned(), id.to_owned());
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.pulse.hear();
        }
    }

    pub(super) fn begin_round(&mut self) {
        self.left = Some(HashSet::new());
        for instance in self.instances.values_mut() {
            instance.pulse.begin_round();
        }
    }

    /// Counts who was silent in a round that was whole, and forgets who was so too often; whether there was any.
    pub(super) fn end_round(&mut self, is_whole: bool) -> bool {
        self.left = None;
        let mut gone = Vec::new();
        for (key, instance) in &mut self.instances {
            if instance.pulse.end_round(is_whole) {
                gone.push(key.clone());
            }
        }
        for key in &gone {
            tracing::info!(
                service = key.0,
                instance = key.1,
                "an instance is silent and counts as gone"
            );
            self.remove(key);
        }
        !gone.is_empty()
    }

    /// Notes what came of reading an edition; whether anything is different now.
    pub(super) fn settle(&mut self, serial: u64, read: Result<Promises, String>) -> bool {
        let Some(berth) = self.berths.get_mut(&serial) else {
            return false;
        };
        let is_same =
            matches!((&berth.promises, &read), (Some(Err(known)), Err(new)) if known == new);
        berth.promises = Some(read);
        !is_same
    }

    /// The editions whose reading failed, to be read again.
    pub(super) fn failed(&self) -> Vec<ToRead> {
        self.with(|promises| matches!(promises, Some(Err(_))))
    }

    /// The editions that are being read.
    pub(super) fn unread(&self) -> Vec<u64> {
        let unread = self.with(Option::is_none);
        unread.iter().map(|edition| edition.serial).collect()
    }

    /// The editions that were read, with their instances.
    pub(super) fn groups(&self) -> Vec<Group> {
        let mut workers: HashMap<u64, Vec<String>> = HashMap::new();
        for instance in self.instances.values() {
            workers
                .entry(instance.serial)
                .or_default()
                .push(instance.worker.clone());
        }
        let groups = self.berths.iter().filter_map(|(serial, berth)| {
            let mut instances = workers.remove(serial).unwrap_or_default();
            instances.sort_unstable();
            instances.dedup();
            Some(Group {
                serial: *serial,
                edition: Arc::clone(&berth.edition),
                promises: berth.promises.clone()?,
                instances,
            })
        });
        groups.collect()
    }

    fn with(&self, wanted: impl Fn(&Option<Result<Promises, String>>) -> bool) -> Vec<ToRead> {
        let berths = self
            .berths
            .iter()
            .filter(|(_, berth)| wanted(&berth.promises));
        let to_read = berths.map(|(serial, berth)| ToRead {
            serial: *serial,
            edition: Arc::clone(&berth.edition),
        });
        to_read.collect()
    }

    /// Whether another instance may come, with an edition of this many bytes if it is a new one.
    fn has_room(&self, name: &str, new_bytes: Option<usize>) -> bool {
        let of_service = self
            .instances
            .keys()
            .filter(|(known, _)| known == name)
            .count();
        let has_berth = new_bytes.is_none_or(|bytes| {
            self.berths.len() < EDITIONS_MAX && self.bytes + bytes <= EDITIONS_BYTES_MAX
        });
        self.instances.len() < INSTANCES_MAX && of_service < INSTANCES_PER_SERVICE_MAX && has_berth
    }

    fn open(&mut self, edition: Arc<Edition>, bytes: usize) -> ToRead {
        self.next += 1;
        self.bytes += bytes;
        let serial = self.next;
        let berth = Berth {
            edition: Arc::clone(&edition),
            instances: 0,
            bytes,
            promises: None,
        };
        self.berths.insert(serial, berth);
        self.serials.insert(Arc::clone(&edition), serial);
        ToRead { serial, edition }
    }

    fn remove(&mut self, key: &Key) -> bool {
        let Some(instance) = self.instances.remove(key) else {
            return false;
        };
        let Some(berth) = self.berths.get_mut(&instance.serial) else {
            return true;
        };
        berth.instances -= 1;
        if berth.instances == 0
            && let Some(berth) = self.berths.remove(&instance.serial)
        {
            self.bytes -= berth.bytes;
            self.serials.remove(&berth.edition);
        }
        true
    }
}

#[cfg(test)]
mod tests;
