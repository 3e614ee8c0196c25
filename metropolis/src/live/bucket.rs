//! Bucket: a key-value bucket of JetStream, read over our own bus.
//!
//! A bucket is a stream, and a key is a subject in it; no client of JetStream and no consumer is needed to read one. It is
//! read from the stream's leader. Direct reads would do with a permission for each key, but any replica answers those, be
//! it with an old value, and nobody answers them for a bucket that was not made for it, as nats-py makes them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

use crate::bus::{Bus, Outgoing, RequestError, SubscribeError, Subscription};
use crate::config::check_bucket;
use crate::subject::Subject;

mod answer;

/// How long one reading may take.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Hints that may wait to be heard; one is as good as many.
const HINTS_MAX: usize = 256;

/// A key-value bucket. Cloning is cheap and gives the same bucket.
#[derive(Debug, Clone)]
pub struct Bucket(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bus: Bus,
    name: String,
    /// Where its stream is asked for messages.
    reads: Subject,
    /// How it was found the last time, so that only a change is told.
    state: Mutex<State>,
    /// How listening went the last time.
    is_deaf: Mutex<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unknown,
    There,
    Missing,
    Forbidden,
    Silent,
}

/// What a key holds. Two that are equal are one and the same entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The number of the change that wrote it; 0 where the key never held anything.
    pub revision: u64,
    value: Bytes,
    /// When it was written. A bucket that was made anew begins to count anew.
    time: String,
}

impl Entry {
    /// What was written; `None` where there is nothing, or not any more.
    #[must_use]
    pub fn document(&self) -> Option<&Bytes> {
        (!self.value.is_empty()).then_some(&self.value)
    }
}

/// Why nothing is known of a key. What was known before stays in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unread {
    #[error("there is no such bucket")]
    Missing,
    #[error("permissions of NATS forbid it")]
    Forbidden,
    #[error("{0}")]
    Silent(String),
}

impl Bucket {
    /// A bucket by its name; whether there is one shows when it is read.
    ///
    /// # Errors
    /// When the name is no name of a bucket; says what one is.
    pub fn new(bus: Bus, name: &str) -> Result<Self, String> {
        check_bucket(name)?;
        let reads = Subject::parse(read_subject(name)).map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(Shared {
            bus,
            name: name.to_owned(),
            reads,
            state: Mutex::new(State::Unknown),
            is_deaf: Mutex::new(false),
        })))
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.0.bus
    }

    pub(super) fn subject(&self, key: &str) -> String {
        key_subject(&self.0.name, key)
    }

    /// What a key holds now.
    pub(super) async fn read(&self, key: &str) -> Result<Entry, Unread> {
        let read = self.ask(key).await;
        self.note(&read);
        read
    }

    async fn ask(&self, key: &str) -> Result<Entry, Unread> {
        let question = json!({ "last_by_subj": key_subject(&self.0.name, key) });
        let outgoing = Outgoing {
            payload: question.to_string().into(),
            ..Outgoing::empty(self.0.reads.clone())
        };
        let deadline = Instant::now() + READ_TIMEOUT;
        match self.0.bus.request(outgoing, deadline).await {
            Ok(answer) => answer::entry(&answer.payload),
            Err(RequestError::NoResponders) => Err(Unread::Missing),
            Err(RequestError::Denied) => Err(Unread::Forbidden),
            Err(error) => Err(Unread::Silent(error.to_string())),
        }
    }

    /// Listens for puts, where they come. Each is a hint that a key may have changed: the stream may yet refuse it.
    pub(super) async fn listen(&self, key: &str) -> Option<Subscription> {
        if !self.0.bus.hears_streams() {
            return None;
        }
        let filter = hint_filter(&self.0.name, key);
        let listening = self.0.bus.subscribe(&filter, None, HINTS_MAX).await;
        let is_deaf = matches!(listening, Err(SubscribeError::Denied));
        let mut was_deaf = lock(&self.0.is_deaf);
        if is_deaf && !*was_deaf {
            let bucket = &self.0.name;
            tracing::warn!(
                bucket,
                "permissions of NATS do not let this process hear of changes in the bucket: \
                 it looks for them from time to time; `metropolis::permissions()` prints what it needs"
            );
        }
        *was_deaf = is_deaf;
        listening.ok()
    }

    /// Tells what became of the bucket, once.
    fn note(&self, read: &Result<Entry, Unread>) {
        let now = match read {
            Ok(_) => State::There,
            Err(Unread::Missing) => State::Missing,
            Err(Unread::Forbidden) => State::Forbidden,
            Err(Unread::Silent(_)) => State::Silent,
        };
        let was = std::mem::replace(&mut *lock(&self.0.state), now);
        let bucket = &self.0.name;
        match (was, now) {
            (was, now) if was == now => {}
            (_, State::There) => tracing::info!(bucket, "configuration is read from the bucket"),
            (State::There, State::Missing) => {
                tracing::warn!(bucket, "the bucket is gone; what was read stays in force");
            }
            (_, State::Missing) => tracing::info!(
                bucket,
                "there is no bucket to read configuration from; it is looked for from time to time"
            ),
            (_, State::Forbidden) => tracing::warn!(
                bucket,
                "permissions of NATS do not let this process read the bucket; \
                 `metropolis::permissions()` prints what it needs"
            ),
            (_, _) => {
                let why = read.as_ref().err().map(ToString::to_string);
                tracing::warn!(
                    bucket,
                    why,
                    "the bucket does not answer; what was read stays in force"
                );
            }
        }
    }
}

/// What a process publishes to that reads a bucket.
#[must_use]
pub fn read_subject(bucket: &str) -> String {
    format!("$JS.API.STREAM.MSG.GET.KV_{bucket}")
}

/// What a key is put to.
pub(super) fn key_subject(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// What puts of a key are heard on: a wildcard in the place of its first token, which stands for the kinds of keys.
///
/// A leaf node whose accounts have a default JetStream domain tells its hub of every literal subject it subscribes to, and
/// the hub ends the link over one below `$KV` (nats-server 2.10 to 2.15), with all that it carries. Of wildcards it takes
/// what may pass.
#[must_use]
pub fn hint_filter(bucket: &str, key: &str) -> String {
    match key.split_once('.') {
        Some((_, rest)) => format!("$KV.{bucket}.*.{rest}"),
        None => format!("$KV.{bucket}.*"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Flags are replaced as a whole, so a poisoned lock holds a whole one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_filter_is_literal() {
        assert_eq!(hint_filter("b", "gateway"), "$KV.b.*");
        assert_eq!(hint_filter("b", "service.a"), "$KV.b.*.a");
        assert_eq!(hint_filter("b", "setting.a.limits"), "$KV.b.*.a.limits");
    }

    #[test]
    fn a_bucket_has_a_plain_name() {
        for good in ["metropolis", "a-b_C9"] {
            assert!(Bucket::new(Bus::embedded(), good).is_ok(), "{good}");
        }
        for bad in ["", "a.b", "a b", "*", ">", "ä"] {
            assert!(Bucket::new(Bus::embedded(), bad).is_err(), "{bad}");
        }
    }
}
