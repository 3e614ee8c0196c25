//! Permissions: the least a worker or a caller needs of a NATS server, from the same metadata as everything else. What a
//! gateway needs is written in the same form and worked out there.
//!
//! Whoever may publish to a subject somebody subscribes to can disconnect them, so permissions guard more than secrets.

use std::fmt;
use std::time::Duration;

use crate::catalog::{Catalog, Entry, Problems, no_tasks};
use crate::config::BUCKET_DEFAULT;
use crate::live::{hint_filter, read_subject, service_key};
use crate::service::{self, ANNOUNCE, CONTRACT, INFO, LEAVE, Offer, PING, STATS};

/// How much longer than the longest task a reply may take.
const RESPONSE_MARGIN: Duration = Duration::from_secs(5);

/// What a worker, a caller or a gateway must be allowed on its NATS server. `Display` writes it as a block of a user in
/// the server's configuration:
///
/// ```text
/// authorization { users: [ { user: billing, password: $PASSWORD
///   permissions: { … }
/// } ] }
/// ```
///
/// Requests choose where their replies go, so replies are allowed as responses and not by subject; a worker itself
/// answers to inboxes alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// What it subscribes to; the queue group follows the subject where there must be one.
    pub subscribe: Vec<String>,
    /// What it publishes to, replies apart.
    pub publish: Vec<String>,
    /// Replies to what it subscribes to; `None` for one who replies to nobody.
    pub responses: Option<Responses>,
}

/// The replies that are allowed to whoever was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Responses {
    /// How many one request may get: one, and one more for each further ADR-32 service of a large worker.
    pub max: usize,
    /// How long after its request a reply may come.
    pub expires: Duration,
}

/// What a process must be allowed on its NATS server that serves every linked task with a body, and calls those that
/// are declared. Needs no bus.
///
/// The service is named after the package that holds the tasks; [`Worker::permissions`](crate::Worker::permissions)
/// knows another name. A task that calls one served by its own process needs that subject added. Where every task is
/// declared, these are the permissions [of a caller](Permissions::of_caller).
///
/// # Errors
/// With every conflict between the tasks, or when there are none.
pub fn permissions() -> Result<Permissions, Problems> {
    let catalog = Catalog::linked()?;
    if catalog.entries().is_empty() {
        return Err(Problems(vec![no_tasks()]));
    }
    match catalog.served().next() {
        Some(first) => Permissions::of(&catalog, first.meta().origin.package),
        None => Ok(Permissions::of_caller(&catalog)),
    }
}

impl Permissions {
    /// The permissions for a service of this name that serves the tasks of a catalog, and reads its configuration from the
    /// usual bucket.
    ///
    /// # Errors
    /// When the name is none that a service can have.
    pub fn of(catalog: &Catalog, service: &str) -> Result<Self, Problems> {
        let permissions = Self::without_bucket(catalog, service)?;
        Ok(permissions.with_bucket(BUCKET_DEFAULT, [service_key(service)]))
    }

    /// The same, without configuration.
    ///
    /// # Errors
    /// As [`Permissions::of`].
    pub fn without_bucket(catalog: &Catalog, service: &str) -> Result<Self, Problems> {
        let served: Vec<&Entry> = catalog.served().collect();
        let offers: Vec<Offer> = served.iter().map(|entry| Offer::of(entry, false)).collect();
        let identity =
            service::identity(service, "", "0.0.0").map_err(|why| Problems(vec![why]))?;
        let timeouts = served.iter().map(|entry| entry.meta().timeout);
        Ok(Self {
            subscribe: subscribed(&served, service),
            publish: published(catalog, service),
            responses: Some(Responses {
                max: service::parts(&identity, offers),
                expires: timeouts.max().unwrap_or_default() + RESPONSE_MARGIN,
            }),
        })
    }

    /// The permissions for a process that calls the tasks of a catalog and serves none.
    ///
    /// Answers come to `_INBOX_client.>`, as on every connection made for the role `client`.
    #[must_use]
    pub fn of_caller(catalog: &Catalog) -> Self {
        let called = catalog.entries().iter().map(|entry| entry.pattern.filter());
        Self {
            subscribe: vec![CALLER_INBOX.to_owned()],
            publish: called.collect(),
            responses: None,
        }
    }

    /// Adds what is needed to follow keys of a bucket. Where it is missing, configuration stays as it is at the start.
    #[must_use]
    pub fn with_bucket(mut self, bucket: &str, keys: impl IntoIterator<Item = String>) -> Self {
        let heard = keys.into_iter().map(|key| hint_filter(bucket, &key));
        self.subscribe.extend(heard);
        self.publish.push(read_subject(bucket));
        self
    }

    /// The permissions for one connection that is used for both, as a gateway's is by a worker in the same process.
    ///
    /// A connection has one inbox, so the other one's is left out.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        add(&mut self.subscribe, other.subscribe);
        add(&mut self.publish, other.publish);
        self.responses = match (self.responses, other.responses) {
            (Some(one), Some(other)) => Some(Responses {
                max: one.max.max(other.max),
                expires: one.expires.max(other.expires),
            }),
            (one, other) => one.or(other),
        };
        self
    }
}

fn add(lines: &mut Vec<String>, others: Vec<String>) {
    for line in others {
        if !line.starts_with("_INBOX") && !lines.contains(&line) {
            lines.push(line);
        }
    }
}

fn subscribed(served: &[&Entry], service: &str) -> Vec<String> {
    let tasks = served
        .iter()
        .map(|entry| format!("{} {}", entry.pattern.filter(), entry.queue.as_str()));
    let questions = [PING, INFO, STATS].into_iter().flat_map(|verb| {
        [
            verb.to_owned(),
            format!("{verb}.{service}"),
            format!("{verb}.{service}.*"),
        ]
    });
    let contracts = format!("{CONTRACT}.* {}", service::CONTRACT_QUEUE);
    tasks
        .chain(questions)
        .chain([contracts, INBOX.to_owned()])
        .collect()
}

fn published(catalog: &Catalog, service: &str) -> Vec<String> {
    let own = [
        format!("{ANNOUNCE}.{service}.*"),
        format!("{LEAVE}.{service}.*"),
        // Before it serves, a worker compares its contracts with those in service.
        INFO.to_owned(),
        format!("{CONTRACT}.*"),
    ];
    let called = catalog
        .entries()
        .iter()
        .filter(|entry| !entry.spec.is_served())
        .map(|entry| entry.pattern.filter());
    own.into_iter().chain(called).collect()
}

/// Where a worker hears answers.
const INBOX: &str = "_INBOX_worker.>";

/// Where one hears them who only calls.
const CALLER_INBOX: &str = "_INBOX_client.>";

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "permissions: {{")?;
        list(f, "subscribe", &self.subscribe)?;
        list(f, "publish", &self.publish)?;
        if let Some(Responses { max, expires }) = self.responses {
            let seconds = expires.as_secs_f64().ceil();
            writeln!(
                f,
                "  allow_responses: {{ max: {max}, expires: \"{seconds}s\" }}"
            )?;
        }
        f.write_str("}")
    }
}

/// Subjects and queues are plain tokens and wildcards, so quotes around them are enough. A server takes an empty list of
/// what is allowed for no list at all.
fn list(f: &mut fmt::Formatter<'_>, name: &str, subjects: &[String]) -> fmt::Result {
    if subjects.is_empty() {
        return writeln!(f, "  {name}: {{ deny: [\n    \">\"\n  ] }}");
    }
    writeln!(f, "  {name}: {{ allow: [")?;
    for subject in subjects {
        writeln!(f, "    \"{subject}\"")?;
    }
    writeln!(f, "  ] }}")
}
