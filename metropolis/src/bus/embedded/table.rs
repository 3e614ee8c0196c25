//! Who subscribes to what, as an immutable value: a change makes a new table.
//!
//! Filters without wildcard are found by one hash lookup, however many there are; the others are tried one by one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::bus::{Incoming, Taker};
use crate::subject::Queue;

/// Where a subscription's messages go.
pub(super) struct Mailbox {
    pub(super) id: u64,
    pub(super) to: To,
}

/// To somebody who comes for them, or who takes them on the spot.
pub(super) enum To {
    Inlet(mpsc::Sender<Incoming>),
    Taker(Taker),
}

impl Mailbox {
    /// Hands a message over; gives it back where there is no room.
    fn put(&self, message: Incoming) -> Option<Incoming> {
        match &self.to {
            To::Taker(taker) => {
                taker(message);
                None
            }
            To::Inlet(sender) => match sender.try_send(message) {
                Ok(()) => None,
                Err(TrySendError::Full(refused) | TrySendError::Closed(refused)) => Some(refused),
            },
        }
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// All subscriptions of a bus.
///
/// Invariant: no interest is empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    literal: HashMap<Arc<str>, Interest>,
    wildcard: Vec<(Arc<str>, Interest)>,
    /// Whether any filter may stand for the subject of a reply. Usually none does, and then none is looked for.
    hears_replies: bool,
}

impl Table {
    /// The table with one more subscription.
    pub(super) fn with(&self, filter: &str, queue: Option<&Queue>, mailbox: Arc<Mailbox>) -> Self {
        let mut table = self.clone();
        table.entry(filter).add(queue, &[mailbox]);
        table.hears_replies |= may_hear_replies(filter);
        table
    }

    /// The table without the subscription of that number.
    pub(super) fn without(&self, filter: &str, id: u64) -> Self {
        let mut table = self.clone();
        table.entry(filter).remove(id);
        table
            .literal
            .retain(|_, interest| !interest.groups.is_empty());
        table
            .wildcard
            .retain(|(_, interest)| !interest.groups.is_empty());
        let wildcard = table.wildcard.iter().map(|(filter, _)| filter);
        table.hears_replies = table
            .literal
            .keys()
            .chain(wildcard)
            .any(|filter| may_hear_replies(filter));
        table
    }

    /// Whether somebody but the requests themselves may want the replies to them.
    pub(super) fn hears_replies(&self) -> bool {
        self.hears_replies
    }

    /// How many subscriptions there are.
    pub(super) fn len(&self) -> usize {
        let wildcard = self.wildcard.iter().map(|(_, interest)| interest);
        self.literal
            .values()
            .chain(wildcard)
            .flat_map(|interest| &interest.groups)
            .map(|group| group.members.len())
            .sum()
    }

    /// Who is to get a message on this subject; `None` when nobody is.
    pub(super) fn interest(&self, subject: &str) -> Option<Cow<'_, Interest>> {
        let wildcard = self
            .wildcard
            .iter()
            .filter(|(filter, _)| matches(filter, subject))
            .map(|(_, interest)| interest);
        let mut all = self.literal.get(subject).into_iter().chain(wildcard);
        let first = Cow::Borrowed(all.next()?);
        Some(all.fold(first, |mut merged, interest| {
            merged.to_mut().merge(interest);
            merged
        }))
    }

    fn entry(&mut self, filter: &str) -> &mut Interest {
        if !is_wildcard(filter) {
            return self.literal.entry(filter.into()).or_default();
        }
        let at = self
            .wildcard
            .iter()
            .position(|(known, _)| **known == *filter)
            .unwrap_or_else(|| {
                self.wildcard.push((filter.into(), Interest::default()));
                self.wildcard.len() - 1
            });
        &mut self.wildcard[at].1
    }
}

/// Those who are to get a message.
#[derive(Debug, Clone, Default)]
pub(super) struct Interest {
    groups: Vec<Group>,
}

/// Mailboxes of which one gets the message. A subscription without queue is alone in its group.
///
/// Invariant: at least one member.
#[derive(Debug, Clone)]
struct Group {
    queue: Option<Queue>,
    members: Vec<Arc<Mailbox>>,
}

impl Interest {
    /// Hands each group a copy; says how many found no room. `choice` decides whom a group asks first.
    pub(super) fn deliver(&self, message: Incoming, choice: u64) -> u64 {
        let Some((last, others)) = self.groups.split_last() else {
            return 0;
        };
        let lost: u64 = others
            .iter()
            .map(|group| group.deliver(message.clone(), choice))
            .sum();
        // The last group takes the original, so that the usual single subscription copies nothing.
        lost + last.deliver(message, choice)
    }

    fn add(&mut self, queue: Option<&Queue>, mailboxes: &[Arc<Mailbox>]) {
        let known = self
            .groups
            .iter_mut()
            .find(|group| queue.is_some() && group.queue.as_ref() == queue);
        match known {
            Some(group) => group.members.extend_from_slice(mailboxes),
            None => self.groups.push(Group {
                queue: queue.cloned(),
                members: mailboxes.to_vec(),
            }),
        }
    }

    /// As a server does: members of one queue share messages even when their filters differ.
    fn merge(&mut self, other: &Self) {
        for group in &other.groups {
            self.add(group.queue.as_ref(), &group.members);
        }
    }

    fn remove(&mut self, id: u64) {
        for group in &mut self.groups {
            group.members.retain(|mailbox| mailbox.id != id);
        }
        self.groups.retain(|group| !group.members.is_empty());
    }
}

impl Group {
    /// Asks from a random start for the first member with room; 1 when there is none, and the message is lost.
    fn deliver(&self, message: Incoming, choice: u64) -> u64 {
        let start = usize::try_from(choice % self.members.len() as u64).expect("an index fits");
        let (before, after) = self.members.split_at(start);
        let mut message = message;
        for mailbox in after.iter().chain(before) {
            match mailbox.put(message) {
                None => return 0,
                Some(refused) => message = refused,
            }
        }
        1
    }
}

/// Replies go to `_INBOX_…`.
fn may_hear_replies(filter: &str) -> bool {
    filter.starts_with(['*', '>', '_'])
}

fn is_wildcard(filter: &str) -> bool {
    filter.split('.').any(|token| token == "*" || token == ">")
}

/// Whether a literal subject is one of those a filter stands for.
fn matches(filter: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for expected in filter.split('.') {
        match (expected, tokens.next()) {
            (_, None) => return false,
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (expected, Some(token)) if expected == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests;
