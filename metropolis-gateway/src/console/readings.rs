//! Readings: what services say of themselves in answer to `$SRV.STATS`, and how fast their counts grow. Pure but for
//! moving large answers to another thread.
//!
//! Anybody can answer on the bus, so everything is bounded and what does not fit is left out and counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metropolis::bus::Incoming;
use metropolis::service::METADATA_INSTANCE;
use metropolis::subject::SUBJECT_MAX;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::admission::readable;
use crate::discovery::{ANSWER_BYTES_MAX, is_name};

/// Endpoints, of all instances together, whose numbers are kept.
const ENDPOINTS_MAX: usize = 16_384;

/// Fault codes, and tasks called, that are kept of one endpoint.
const ENTRIES_MAX: usize = 64;

/// The same of all endpoints together.
const ENTRIES_TOTAL_MAX: usize = 65_536;

/// An instance that has not answered for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15);

/// Counts that were read this long ago are no measure for how fast they grow now.
const COMPARED_WITHIN: Duration = Duration::from_secs(10);

/// Counts that were read at almost the same time differ by chance.
const COMPARED_AFTER: Duration = Duration::from_millis(200);

/// What services say, by service and id.
#[derive(Debug, Default)]
pub(super) struct Readings {
    pub(super) instances: BTreeMap<(String, String), Arc<Instance>>,
    /// Endpoints for which there was no room.
    pub(super) left_out: usize,
    /// Tasks called for which there was none.
    pub(super) calls_left_out: usize,
    /// When everybody was last asked; `None` before that.
    pub(super) asked: Option<Instant>,
}

/// What one instance says.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) version: String,
    /// The worker it belongs to, which may be several services.
    pub(super) worker: String,
    /// When it was started, as it writes it.
    pub(super) started: String,
    pub(super) heard: Instant,
    pub(super) endpoints: Vec<Reading>,
}

/// What is said of one endpoint, and how it has changed.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) said: EndpointStats,
    /// Since the reading before; `None` when there is none to compare with.
    pub(super) growth: Option<Growth>,
}

/// How counts have grown within some time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Growth {
    pub(super) seconds: f64,
    pub(super) requests: u64,
    pub(super) faults: u64,
    pub(super) processing_ns: u64,
    /// By subject.
    pub(super) calls: BTreeMap<String, u64>,
}

/// An answer to `STATS`, read with more leniency than the standard asks for: services of others leave things out.
#[derive(Debug, Deserialize)]
struct Answer {
    name: String,
    id: String,
    #[serde(default)]
    version: String,
    #[serde(default, deserialize_with = "lenient")]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    started: String,
    #[serde(default, deserialize_with = "lenient")]
    endpoints: Vec<EndpointStats>,
}

/// One endpoint of an answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct EndpointStats {
    pub(super) name: String,
    pub(super) subject: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) queue_group: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) num_requests: u64,
    #[serde(deserialize_with = "lenient")]
    pub(super) num_errors: u64,
    #[serde(deserialize_with = "lenient")]
    pub(super) last_error: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) processing_time: u64,
    #[serde(deserialize_with = "lenient")]
    pub(super) data: Data,
}

/// What workers of ours say beyond the standard. All of it is optional: others say other things.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Data {
    pub(super) busy: Option<u64>,
    pub(super) expired: Option<u64>,
    pub(super) refused: Option<u64>,
    pub(super) in_flight: Option<u64>,
    pub(super) waiting: Option<u64>,
    pub(super) concurrency: Option<u64>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) paused: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub(super) faults: BTreeMap<String, u64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) latency_ms: Option<Quantiles>,
    #[serde(deserialize_with = "lenient")]
    pub(super) queue_age_ms: Option<Quantiles>,
    #[serde(deserialize_with = "lenient")]
    pub(super) calls: BTreeMap<String, u64>,
}

/// Times that half, most, and nearly all requests stay below, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

impl Readings {
    /// These readings with what was answered since.
    pub(super) async fn next(self: Arc<Self>, answers: Vec<Incoming>, now: Instant) -> Arc<Self> {
        let before = Arc::clone(&self);
        let reading = tokio::task::spawn_blocking(move || {
            let answers = answers.iter().filter_map(read);
            Arc::new(before.with(answers, now))
        });
        reading.await.unwrap_or(self)
    }

    fn with(&self, answers: impl Iterator<Item = (Answer, Instant)>, now: Instant) -> Self {
        let recent = |(_, instance): &(_, &Arc<Instance>)| {
            now.saturating_duration_since(instance.heard) < FORGOTTEN_AFTER
        };
        let kept = self.instances.iter().filter(recent);
        let mut next = Self {
            instances: kept
                .map(|(key, instance)| (key.clone(), Arc::clone(instance)))
                .collect(),
            left_out: 0,
            calls_left_out: 0,
            asked: Some(now),
        };
        let mut room = ENDPOINTS_MAX;
        let mut entries = ENTRIES_TOTAL_MAX;
        for (mut answer, heard) in answers {
            next.left_out += answer.endpoints.len().saturating_sub(room);
            answer.endpoints.truncate(room);
            room -= answer.endpoints.len();
            for endpoint in &mut answer.endpoints {
                next.calls_left_out += endpoint.data.fit(&mut entries);
            }
            let key = (answer.name.clone(), answer.id.clone());
            let before = self.instances.get(&key);
            let instance = Instance::of(answer, heard, before.map(Arc::as_ref));
            next.instances.insert(key, Arc::new(instance));
        }
        next
    }
}

impl Instance {
    fn of(answer: Answer, heard: Instant, before: Option<&Self>) -> Self {
        let worker = answer
            .metadata
            .get(METADATA_INSTANCE)
            .filter(|id| is_name(id));
        let seconds = before.map(|before| heard.saturating_duration_since(before.heard));
        let seconds = seconds
            .filter(|passed| (COMPARED_AFTER..COMPARED_WITHIN).contains(passed))
            .map(|passed| passed.as_secs_f64());
        let reading = |said: EndpointStats| {
            let earlier = before.and_then(|before| before.endpoint(&said));
            let growth = seconds.zip(earlier);
            Reading {
                growth: growth.and_then(|(seconds, earlier)| said.growth_since(earlier, seconds)),
                said,
            }
        };
        Self {
            worker: worker.unwrap_or(&answer.id).clone(),
            version: answer.version,
            started: answer.started,
            heard,
            endpoints: answer.endpoints.into_iter().map(reading).collect(),
        }
    }

    /// The same endpoint as it was; mostly at the same place of a short list.
    fn endpoint(&self, wanted: &EndpointStats) -> Option<&EndpointStats> {
        let said = self.endpoints.iter().map(|reading| &reading.said);
        let mut same =
            said.filter(|said| said.subject == wanted.subject && said.name == wanted.name);
        same.next()
    }
}

impl Data {
    /// Takes what it lists out of the room there is, or lists nothing; how many calls that leaves out.
    fn fit(&mut self, room: &mut usize) -> usize {
        let entries = self.faults.len() + self.calls.len();
        if let Some(rest) = room.checked_sub(entries) {
            *room = rest;
            return 0;
        }
        self.faults.clear();
        std::mem::take(&mut self.calls).len()
    }
}

impl EndpointStats {
    /// `None` when a count is smaller than it was, which is another beginning and no growth.
    fn growth_since(&self, earlier: &Self, seconds: f64) -> Option<Growth> {
        let called = self.data.calls.iter().map(|(subject, count)| {
            let before = earlier.data.calls.get(subject).copied().unwrap_or(0);
            (subject.clone(), count.saturating_sub(before))
        });
        Some(Growth {
            seconds,
            requests: self.num_requests.checked_sub(earlier.num_requests)?,
            faults: self.num_errors.checked_sub(earlier.num_errors)?,
            processing_ns: self.processing_time.checked_sub(earlier.processing_time)?,
            calls: called.collect(),
        })
    }

    /// Within its bounds; `None` when it is no endpoint anybody could call.
    fn bounded(mut self) -> Option<Self> {
        let fits = |text: &str| !text.is_empty() && text.len() <= SUBJECT_MAX;
        if !fits(&self.subject) || self.name.len() > SUBJECT_MAX {
            return None;
        }
        for text in [&mut self.name, &mut self.subject, &mut self.queue_group] {
            *text = readable(text);
        }
        self.last_error = readable(&self.last_error);
        self.data.faults = few(self.data.faults, fits);
        self.data.calls = few(self.data.calls, fits);
        Some(self)
    }
}

fn few(entries: BTreeMap<String, u64>, fits: impl Fn(&str) -> bool) -> BTreeMap<String, u64> {
    let fitting = entries.into_iter().filter(|(name, _)| fits(name));
    let readable = fitting.map(|(name, count)| (readable(&name), count));
    readable.take(ENTRIES_MAX).collect()
}

/// Reads an answer; `None` when it is none, or too large to be looked at.
fn read(answer: &Incoming) -> Option<(Answer, Instant)> {
    if answer.payload.len() > ANSWER_BYTES_MAX {
        return None;
    }
    let mut read: Answer = serde_json::from_slice(&answer.payload).ok()?;
    if !is_name(&read.name) || !is_name(&read.id) {
        return None;
    }
    read.version = readable(&read.version);
    read.started = readable(&read.started);
    let endpoints = read.endpoints.into_iter();
    read.endpoints = endpoints.filter_map(EndpointStats::bounded).collect();
    Some((read, answer.arrived))
}

/// What is `null`, or of another kind than it is with us, counts as absent.
fn lenient<'de, D: Deserializer<'de>, T: Default + serde::de::DeserializeOwned>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

#[cfg(test)]
mod tests;
