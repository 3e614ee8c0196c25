//! A key-value bucket of JetStream, made and written as every client does it: a stream, and messages to its subjects.

use std::time::{Duration, Instant};

use metropolis::Bus;
use metropolis::bus::Outgoing;
use metropolis::subject::Subject;
use serde_json::{Value, json};

/// What a server's configuration needs for it.
pub const JETSTREAM: &str = "jetstream { store_dir: \"js\" }\n";

/// How long JetStream may take for anything; it is a while after its server is there again.
const DEADLINE: Duration = Duration::from_secs(10);

/// A bucket, and somebody who may do everything with it.
#[derive(Debug, Clone)]
pub struct Bucket {
    bus: Bus,
    name: String,
}

impl Bucket {
    /// Makes a bucket.
    ///
    /// # Panics
    ///
    /// When JetStream does not make it.
    pub async fn create(bus: &Bus, name: &str) -> Self {
        let bucket = Self {
            bus: bus.clone(),
            name: name.to_owned(),
        };
        bucket.recreate().await;
        bucket
    }

    /// Makes it again, after it was destroyed.
    ///
    /// # Panics
    ///
    /// As [`Bucket::create`].
    pub async fn recreate(&self) {
        let name = &self.name;
        let stream = json!({
            "name": format!("KV_{name}"), "subjects": [format!("$KV.{name}.>")], "storage": "file",
            "max_msgs_per_subject": 1, "discard": "new", "allow_rollup_hdrs": true, "deny_delete": true,
            "num_replicas": 1, "retention": "limits",
        });
        self.manage("CREATE", &stream).await;
    }

    /// Takes it away with everything in it.
    ///
    /// # Panics
    ///
    /// When JetStream does not.
    pub async fn destroy(&self) {
        self.manage("DELETE", &json!({})).await;
    }

    /// Writes a key, and returns the revision.
    ///
    /// # Panics
    ///
    /// When the stream does not take it.
    pub async fn put(&self, key: &str, text: &str) -> u64 {
        let answer = self.publish(key, text, None).await;
        revision(&answer).unwrap_or_else(|| panic!("the bucket does not take `{key}`: {answer}"))
    }

    /// Writes a key if its last revision is this one; what the stream answers otherwise.
    ///
    /// # Errors
    ///
    /// With the stream's words.
    pub async fn update(&self, key: &str, text: &str, last: u64) -> Result<u64, String> {
        let header = ("Nats-Expected-Last-Subject-Sequence", last.to_string());
        let answer = self.publish(key, text, Some(header)).await;
        revision(&answer).ok_or_else(|| answer["error"]["description"].to_string())
    }

    /// Marks a key as deleted.
    ///
    /// # Panics
    ///
    /// When the stream does not take that.
    pub async fn delete(&self, key: &str) {
        let mark = ("KV-Operation", "DEL".to_owned());
        let answer = self.publish(key, "", Some(mark)).await;
        assert!(revision(&answer).is_some(), "{answer}");
    }

    async fn publish(
        &self,
        key: &str,
        text: &str,
        header: Option<(&'static str, String)>,
    ) -> Value {
        let subject = format!("$KV.{}.{key}", self.name);
        let mut outgoing = outgoing(subject, text.to_owned());
        if let Some((name, value)) = header {
            let added = outgoing.headers.append(name, value);
            added.expect("a good header");
        }
        self.ask(outgoing).await
    }

    async fn manage(&self, verb: &str, question: &Value) {
        let subject = format!("$JS.API.STREAM.{verb}.KV_{}", self.name);
        let answer = self.ask(outgoing(subject, question.to_string())).await;
        assert!(answer.get("error").is_none(), "{verb}: {answer}");
    }

    async fn ask(&self, outgoing: Outgoing) -> Value {
        let deadline = Instant::now() + DEADLINE;
        let answer = loop {
            // After its server has come back, JetStream has not at once.
            match self.bus.request(outgoing.clone(), deadline).await {
                Ok(answer) => break answer,
                Err(error) if Instant::now() > deadline => panic!("JetStream: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        serde_json::from_slice(&answer.payload).expect("JetStream answers in JSON")
    }
}

/// The revision that was written, if it was.
fn revision(answer: &Value) -> Option<u64> {
    let is_refused = answer.get("error").is_some();
    answer["seq"].as_u64().filter(|_| !is_refused)
}

fn outgoing(subject: String, text: String) -> Outgoing {
    Outgoing {
        payload: text.into(),
        ..Outgoing::empty(Subject::parse(subject).expect("a good subject"))
    }
}
