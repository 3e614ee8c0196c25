//! Follower: one key of a bucket, seen again whenever it may have changed.
//!
//! The same idea as discovery: news is quick, looking again is repair. A put that is heard, and a connection that is there
//! again, say that it is time to look; neither says what the key holds. Where puts cannot be heard, looks come sooner.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::bucket::{Bucket, Entry, Unread};
use crate::bus::Subscription;
use crate::subject::Subject;

/// How often a key is looked at when nothing is heard of it.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How often a key is looked at where puts into its bucket cannot be heard.
const DEAF_LOOK_EVERY: Duration = Duration::from_secs(5);
/// When to look after a hint. A put is heard before it is stored, and JetStream is back a while after its server is.
const AFTER_HINT: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(5),
];
/// The shortest time between two looks, however often somebody puts.
const REST: Duration = Duration::from_millis(50);
/// When to look again at a bucket that does not answer, or at an entry that could not be put in force.
const AGAIN: Duration = Duration::from_secs(1);

/// One key of a bucket, followed.
#[derive(Debug)]
pub struct Follower {
    bucket: Bucket,
    key: String,
    /// What it is put to.
    subject: String,
    hints: Option<Subscription>,
    restored: Option<watch::Receiver<u64>>,
    agenda: Agenda,
    /// What was seen last, if anything was.
    seen: Option<Entry>,
}

impl Bucket {
    /// Follows a key. Nothing is heard before the first look.
    #[must_use]
    pub fn follow(&self, key: impl Into<String>) -> Follower {
        let key = key.into();
        Follower {
            bucket: self.clone(),
            subject: self.subject(&key),
            key,
            hints: None,
            restored: self.bus().restored(),
            agenda: Agenda::new(Instant::now()),
            seen: None,
        }
    }
}

impl Follower {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Looks once: what the key holds, if that is not what was seen the last time. `None` as well when nobody knows.
    pub async fn look(&mut self) -> Option<Entry> {
        // First, so that nothing is missed between the two.
        if self.hints.is_none() {
            self.hints = self.bucket.listen(&self.key).await;
        }
        let read = self.bucket.read(&self.key).await;
        let is_new = read
            .as_ref()
            .is_ok_and(|entry| self.seen.as_ref() != Some(entry));
        let outcome = match &read {
            Ok(_) if is_new => Outcome::New,
            Ok(_) | Err(Unread::Missing | Unread::Forbidden) => Outcome::Same,
            Err(Unread::Silent(_)) => Outcome::Silent,
        };
        let is_deaf = read.is_ok() && !self.bucket.bus().hears_streams();
        let patience = if is_deaf { DEAF_LOOK_EVERY } else { LOOK_EVERY };
        self.agenda.looked(Instant::now(), outcome, patience);
        let entry = read.ok().filter(|_| is_new)?;
        self.seen = Some(entry.clone());
        Some(entry)
    }

    /// Waits for the key to hold something else than was seen the last time. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Entry {
        loop {
            self.wait().await;
            if let Some(entry) = self.look().await {
                return entry;
            }
        }
    }

    /// Sees what was seen the last time as new, a moment later: it could not be put in force.
    pub fn again(&mut self) {
        self.seen = None;
        self.agenda.due = Instant::now() + AGAIN;
    }

    /// Waits until it is time to look.
    async fn wait(&mut self) {
        loop {
            tokio::select! {
                () = sleep_until(self.agenda.due) => return,
                subject = heard(&mut self.hints) => match subject {
                    Some(subject) if subject.as_str() == self.subject => self.agenda.hint(Instant::now()),
                    // Another key's.
                    Some(_) => {}
                    // The subscription has ended: it is made anew with the next look.
                    None => self.hints = None,
                },
                () = again(&mut self.restored) => self.agenda.hint(Instant::now()),
            }
        }
    }
}

/// Waits for what is put to a key; `None` when nothing will come any more.
async fn heard(hints: &mut Option<Subscription>) -> Option<Subject> {
    match hints {
        Some(hints) => hints.next().await.map(|put| put.subject),
        None => std::future::pending().await,
    }
}

/// Waits until a lost connection is there again.
async fn again(restored: &mut Option<watch::Receiver<u64>>) {
    if let Some(times) = restored
        && times.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    New,
    Same,
    Silent,
}

/// When to look next.
#[derive(Debug)]
struct Agenda {
    due: Instant,
    looked: Option<Instant>,
    /// When a hint was heard, and how many looks were taken for it.
    hint: Option<(Instant, usize)>,
    /// Looks in a row that the bucket did not answer.
    silent: u32,
}

impl Agenda {
    fn new(now: Instant) -> Self {
        Self {
            due: now,
            looked: None,
            hint: None,
            silent: 0,
        }
    }

    fn hint(&mut self, now: Instant) {
        self.hint = Some((now, 0));
        self.due = self.after_rest(now);
    }

    fn looked(&mut self, now: Instant, outcome: Outcome, patience: Duration) {
        self.looked = Some(now);
        self.silent = match outcome {
            Outcome::Silent => self.silent + 1,
            Outcome::New | Outcome::Same => 0,
        };
        // What was hinted at is found; whatever is put later is another hint.
        let hint = self.hint.take().filter(|_| outcome != Outcome::New);
        let next = hint.and_then(|(heard, taken)| {
            let after = AFTER_HINT.get(taken + 1)?;
            self.hint = Some((heard, taken + 1));
            Some(heard + *after)
        });
        self.due = match next {
            Some(next) => self.after_rest(next.max(now)),
            None => now + self.waits().min(patience),
        };
    }

    fn after_rest(&self, at: Instant) -> Instant {
        self.looked.map_or(at, |looked| at.max(looked + REST))
    }

    /// A bucket that does not answer is asked sooner, and less and less often.
    fn waits(&self) -> Duration {
        match self.silent {
            0 => Duration::MAX,
            looks => AGAIN * 2_u32.saturating_pow(looks.min(8) - 1),
        }
    }
}

#[cfg(test)]
mod tests;
