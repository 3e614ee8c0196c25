//! What services said that could not be read: pinned on whoever said it where the subject names them, and counted where
//! nothing does. Pure but for the log.

use std::collections::BTreeMap;
use std::mem;
use std::time::{Duration, Instant};

use super::pulse::Pulse;

/// Instances that are remembered for it; more are only logged.
const INSTANCES_MAX: usize = 128;

/// The shortest time between two warnings of answers that nobody can be blamed for.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// An instance, and what is wrong with its announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) service: String,
    pub(crate) id: String,
    pub(crate) why: String,
}

/// Everything that could not be read.
#[derive(Debug, Default)]
pub(super) struct Unreadable {
    /// By service and id.
    announced: BTreeMap<(String, String), Announced>,
    /// Since the start.
    answers: u64,
    /// In this round, with what is wrong with the last of them.
    answers_of_round: u64,
    last_why: String,
    warned: Option<Instant>,
}

#[derive(Debug)]
struct Announced {
    why: String,
    pulse: Pulse,
}

impl Unreadable {
    /// Notes that an instance announced what cannot be read; whether that is news.
    pub(super) fn announced(&mut self, service: String, id: String, why: String) -> bool {
        tracing::debug!(service, id, "the announcement {why}");
        let key = (service, id);
        let known = self.announced.get(&key);
        if known.is_none() && self.announced.len() >= INSTANCES_MAX {
            return false;
        }
        let is_news = known.is_none_or(|known| known.why != why);
        let pulse = Pulse::heard();
        self.announced.insert(key, Announced { why, pulse });
        is_news
    }

    /// Forgets an instance that could be read, or that left; whether there was anything to forget.
    pub(super) fn forget(&mut self, service: &str, id: &str) -> bool {
        let key = (service.to_owned(), id.to_owned());
        self.announced.remove(&key).is_some()
    }

    /// Counts an answer of somebody unknown.
    pub(super) fn answered(&mut self, why: String) {
        tracing::debug!("an answer to a question of what is served {why}");
        self.answers += 1;
        self.answers_of_round += 1;
        self.last_why = why;
    }

    /// Notes that an instance lives.
    pub(super) fn hear(&mut self, service: &str, id: &str) {
        let key = (service.to_owned(), id.to_owned());
        if let Some(announced) = self.announced.get_mut(&key) {
            announced.pulse.hear();
        }
    }

    pub(super) fn begin_round(&mut self) {
        let announced = self.announced.values_mut();
        announced.for_each(|announced| announced.pulse.begin_round());
    }

    /// Forgets who is silent; whether anything is different from before the round.
    pub(super) fn end_round(&mut self, is_whole: bool, now: Instant) -> bool {
        let known = self.announced.len();
        self.announced
            .retain(|_, announced| !announced.pulse.end_round(is_whole));
        let answers = mem::take(&mut self.answers_of_round);
        let may_warn = self.warned.is_none_or(|then| now - then >= WARN_EVERY);
        if answers > 0 && may_warn {
            self.warned = Some(now);
            let (all, why) = (self.answers, &self.last_why);
            tracing::warn!(
                "answers to $SRV.INFO that cannot be read: {answers} in this round, {all} since the start. \
                 Nothing says whose they are; the last one {why}"
            );
        }
        answers > 0 || self.announced.len() < known
    }

    /// Whom announcements are pinned on, sorted.
    pub(super) fn list(&self) -> Vec<Unread> {
        let announced = self.announced.iter();
        let list = announced.map(|((service, id), announced)| Unread {
            service: service.clone(),
            id: id.clone(),
            why: announced.why.clone(),
        });
        list.collect()
    }

    /// Answers that could not be read since the start.
    pub(super) fn answers(&self) -> u64 {
        self.answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(unreadable: &mut Unreadable, id: &str, why: &str) -> bool {
        unreadable.announced("s".to_owned(), id.to_owned(), why.to_owned())
    }

    fn round(unreadable: &mut Unreadable, heard: &[&str]) -> bool {
        unreadable.begin_round();
        heard.iter().for_each(|id| unreadable.hear("s", id));
        unreadable.end_round(true, Instant::now())
    }

    fn ids(unreadable: &Unreadable) -> Vec<String> {
        unreadable.list().into_iter().map(|it| it.id).collect()
    }

    #[test]
    fn an_instance_is_remembered_until_it_can_be_read_or_leaves_or_is_silent() {
        let mut unreadable = Unreadable::default();
        assert!(announced(&mut unreadable, "1", "is odd"));
        assert!(!announced(&mut unreadable, "1", "is odd"));
        assert!(announced(&mut unreadable, "1", "is large"));
        assert_eq!(unreadable.list()[0].why, "is large");
        announced(&mut unreadable, "2", "is odd");
        assert!(unreadable.forget("s", "1") && !unreadable.forget("s", "1"));
        for _ in 0..5 {
            assert!(!round(&mut unreadable, &["2"]));
        }
        assert_eq!(ids(&unreadable), ["2"]);
        let changes: Vec<bool> = (0..3).map(|_| round(&mut unreadable, &[])).collect();
        assert_eq!(changes, [false, false, true]);
        assert!(ids(&unreadable).is_empty());
    }

    #[test]
    fn there_is_a_most_of_them_and_news_of_those_that_are_known() {
        let mut unreadable = Unreadable::default();
        for id in 0..INSTANCES_MAX + 10 {
            announced(&mut unreadable, &id.to_string(), "is odd");
        }
        assert_eq!(ids(&unreadable).len(), INSTANCES_MAX);
        assert!(announced(&mut unreadable, "0", "is large"));
        assert!(!announced(&mut unreadable, "late", "is odd"));
    }

    #[test]
    fn answers_are_counted_and_warned_of_once_in_a_while() {
        let mut unreadable = Unreadable::default();
        let now = Instant::now();
        let mut warned_at = |second| {
            unreadable.answered("is odd".to_owned());
            let now = now + Duration::from_secs(second);
            assert!(unreadable.end_round(false, now));
            unreadable.warned == Some(now)
        };
        let warned = [0, 10, 59, 60, 100, 120].map(&mut warned_at);
        assert_eq!(warned, [true, false, false, true, false, true]);
        assert_eq!(unreadable.answers(), 6);
        assert!(!unreadable.end_round(true, now));
    }
}
