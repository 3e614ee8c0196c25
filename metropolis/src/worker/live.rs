//! Live: puts in force what an operator wants of a running worker, whoever says it.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::fmt::Display;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Mutex;

use super::stand::Stand;
use crate::bus::SubscribeError;
use crate::catalog::Entry;
use crate::live::document::{Document, Known};
use crate::live::{Bounds, Refusal, Shelf, Status, excerpt, service_key, setting_key, written};
use crate::log;

/// Why what an operator wants is not in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// It is wrong, in one thing or several. Nothing of it is in force, and what was stays.
    #[error("the configuration is refused: {0}")]
    Refused(#[from] Refusal),
    /// A task that was paused could not be subscribed. Everything else is in force.
    #[error("the task on `{subject}` is not served")]
    NotServed {
        /// The task's subject.
        subject: &'static str,
        /// What the bus said.
        source: SubscribeError,
    },
}

/// What of a worker can be changed while it runs.
#[derive(Debug)]
pub(super) struct Live {
    key: String,
    service: String,
    tasks: Vec<Task>,
    shelf: Option<Arc<Shelf>>,
    status: Arc<Status>,
    /// Held while a document is put in force.
    turn: Mutex<()>,
}

/// One task, on one bus or on two.
#[derive(Debug)]
struct Task {
    entry: Entry,
    stands: Vec<Arc<Stand>>,
}

impl Live {
    /// Nothing is served yet.
    pub(super) fn new<'s>(
        service: &str,
        stands: impl IntoIterator<Item = &'s Arc<Stand>>,
        shelf: Option<Arc<Shelf>>,
    ) -> Self {
        let mut tasks: Vec<Task> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for stand in stands {
            let (entry, stand) = (stand.lane().entry(), Arc::clone(stand));
            match places.entry(entry.pattern.as_str()) {
                Occupied(place) => tasks[*place.get()].stands.push(stand),
                Vacant(place) => {
                    place.insert(tasks.len());
                    tasks.push(Task {
                        entry: entry.clone(),
                        stands: vec![stand],
                    });
                }
            }
        }
        Self {
            key: service_key(service),
            service: service.to_owned(),
            tasks,
            shelf,
            status: Arc::default(),
            turn: Mutex::default(),
        }
    }

    pub(super) fn status(&self) -> &Arc<Status> {
        &self.status
    }

    pub(super) fn shelf(&self) -> Option<&Arc<Shelf>> {
        self.shelf.as_ref()
    }

    /// The key of its document in a bucket.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Puts a document in force, or the annotations again where there is none. `revision` is for logs and `STATS`.
    ///
    /// # Errors
    /// When the document is refused, or a task could not be subscribed.
    pub(super) async fn apply(
        &self,
        document: Option<&[u8]>,
        revision: &str,
    ) -> Result<(), ApplyError> {
        let _turn = self.turn.lock().await;
        let known: Vec<Known<'_>> = self.tasks.iter().map(Task::known).collect();
        let wanted = match document {
            Some(text) => Document::read(text, &known)
                .inspect_err(|refusal| self.refuse(&self.key, revision, refusal))?,
            None => Document::none(&known),
        };
        self.put_in_force(&wanted, revision).await?;
        let ignored = self.say_strangers(&wanted, revision);
        let revision = document.map(|_| revision.to_owned());
        self.status.applied(&self.key, revision, ignored);
        Ok(())
    }

    /// Serves every task as it is annotated.
    ///
    /// # Errors
    /// When one could not be subscribed.
    pub(super) async fn serve(&self) -> Result<(), ApplyError> {
        let _turn = self.turn.lock().await;
        let known: Vec<Known<'_>> = self.tasks.iter().map(Task::known).collect();
        self.put_in_force(&Document::none(&known), "").await
    }

    /// Gives a setting another value, or the application's own again where there is no document.
    pub(super) fn set(
        &self,
        at: usize,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
        revision: &str,
    ) -> bool {
        let Some(shelf) = &self.shelf else {
            return true;
        };
        let key = setting_key(&self.service, shelf.followed()[at].key);
        if let Err(error) = shelf.put(at, new) {
            self.refuse(&key, revision, &error);
            return false;
        }
        let (old, new_text) = (shown(old), shown(new));
        if old != new_text {
            tracing::info!(key, revision, old, new = new_text, "a setting has changed");
        }
        self.status
            .applied(&key, new.map(|_| revision.to_owned()), None);
        true
    }

    fn refuse(&self, key: &str, revision: &str, why: &dyn Display) {
        let why = why.to_string();
        tracing::warn!(
            key,
            revision,
            "configuration is refused, and what was in force stays: {why}"
        );
        self.status.refused(key, revision, &why);
    }

    async fn put_in_force(&self, wanted: &Document, revision: &str) -> Result<(), ApplyError> {
        // It was checked with the rest of the document.
        let _ = log::override_filter(&self.key, wanted.log.as_deref());
        let tasks = self.tasks.iter().zip(&wanted.tasks);
        let (paused, served): (Vec<_>, Vec<_>) = tasks.partition(|(_, bounds)| bounds.paused);
        // All at once, since each waits for the server; one that cannot be subscribed keeps no other from it.
        let serving = served.into_iter().map(async |(task, bounds)| {
            task.bound(bounds, revision);
            task.serve(revision).await
        });
        let outcome = join_all(serving).await.into_iter().collect();
        let pausing = paused.into_iter().map(async |(task, bounds)| {
            task.pause(revision).await;
            // What it was sent until now has found the places that whoever sent it could expect.
            task.bound(bounds, revision);
        });
        join_all(pausing).await;
        outcome
    }

    /// Logs which tasks the document speaks of in vain, and returns that for `STATS`.
    fn say_strangers(&self, document: &Document, revision: &str) -> Option<String> {
        if document.strangers.is_empty() {
            return None;
        }
        let (key, strangers) = (&self.key, document.strangers.join(", "));
        let strangers = excerpt(&strangers, SHOWN_MAX);
        tracing::warn!(
            key,
            revision,
            strangers,
            "the configuration speaks of tasks that are not served here"
        );
        Some(strangers)
    }
}

impl Drop for Live {
    /// A worker that is gone wants nothing of the log.
    fn drop(&mut self) {
        let _ = log::override_filter(&self.key, None);
    }
}

impl Task {
    fn known(&self) -> Known<'_> {
        Known {
            name: self.entry.meta().name,
            subject: self.entry.meta().subject,
            annotated: self.entry.bounds(),
        }
    }

    /// Puts places and time in force on each bus.
    fn bound(&self, wanted: &Bounds, revision: &str) {
        let Some(first) = self.stands.first() else {
            return;
        };
        let (task, limits) = (self.entry.meta().name, first.lane().limits());
        let (old, new) = (limits.concurrency(), wanted.concurrency);
        if old != new {
            tracing::info!(
                task,
                revision,
                old,
                new,
                "the concurrency of a task has changed"
            );
        }
        let (old, new) = (limits.timeout(), wanted.timeout);
        if old != new {
            let (old, new) = (written(old), written(new));
            tracing::info!(
                task,
                revision,
                old,
                new,
                "the timeout of a task has changed"
            );
        }
        for stand in &self.stands {
            stand.lane().limits().bound(wanted);
            stand.lane().fill();
        }
    }

    fn is_paused(&self) -> bool {
        self.stands
            .iter()
            .all(|stand| stand.lane().limits().is_paused())
    }

    async fn pause(&self, revision: &str) {
        let was_paused = self.is_paused();
        join_all(self.stands.iter().map(|stand| stand.pause())).await;
        if !was_paused {
            self.say_paused(true, revision);
        }
    }

    async fn serve(&self, revision: &str) -> Result<(), ApplyError> {
        let was_paused = self.is_paused();
        for stand in &self.stands {
            stand
                .serve()
                .await
                .map_err(|source| ApplyError::NotServed {
                    subject: self.entry.meta().subject,
                    source,
                })?;
        }
        if was_paused {
            self.say_paused(false, revision);
        }
        Ok(())
    }

    fn say_paused(&self, new: bool, revision: &str) {
        let (task, old) = (self.entry.meta().name, !new);
        let what = if new { "paused" } else { "resumed" };
        tracing::info!(task, revision, old, new, "a task is {what}");
    }
}

/// What an operator wrote is cut at this many characters in the log.
const SHOWN_MAX: usize = 200;

/// A document of a setting for the log.
fn shown(document: Option<&[u8]>) -> String {
    match document {
        Some(document) => excerpt(&String::from_utf8_lossy(document), SHOWN_MAX),
        None => "the application's own".to_owned(),
    }
}
