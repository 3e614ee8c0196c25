//! Status: which document of each key is in force, and why another is not. Written when one comes, read by `STATS`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::excerpt::excerpt;

/// A reason is cut at this many characters, so that `STATS` stays small.
const REASON_MAX: usize = 300;

/// What became of the documents.
#[derive(Debug, Default)]
pub(crate) struct Status(Mutex<BTreeMap<String, Outcome>>);

/// What became of the documents of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Which one is in force; `None` where there is none.
    pub(crate) applied: Option<String>,
    /// The one that came after it and was refused, with the reason.
    pub(crate) refused: Option<String>,
    /// What the one in force speaks of and this worker does not have.
    pub(crate) ignored: Option<String>,
}

impl Status {
    /// A document is in force, or there is none any more.
    pub(crate) fn applied(&self, key: &str, revision: Option<String>, ignored: Option<String>) {
        let outcome = Outcome {
            applied: revision,
            refused: None,
            ignored: ignored.map(|text| excerpt(&text, REASON_MAX)),
        };
        self.lock().insert(key.to_owned(), outcome);
    }

    /// A document is refused, and what was in force stays.
    pub(crate) fn refused(&self, key: &str, revision: &str, why: &str) {
        let mut outcomes = self.lock();
        let outcome = outcomes.entry(key.to_owned()).or_default();
        outcome.refused = Some(excerpt(&format!("{revision}: {why}"), REASON_MAX));
    }

    /// By key.
    pub(crate) fn read(&self) -> BTreeMap<String, Outcome> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Outcome>> {
        // Outcomes are replaced as a whole, so a poisoned lock holds whole ones.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
