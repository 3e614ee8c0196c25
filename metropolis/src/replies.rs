//! Where a worker may answer to, be it for a task or for discovery. A reply subject is chosen by whoever sends the
//! request, so it is not trusted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::bus::Incoming;
use crate::catalog::{Problem, Problems};
use crate::subject::{Pattern, Subject, is_reserved};

/// Inboxes, and the replies of services that another account imports.
const ALWAYS: [&str; 2] = ["_INBOX", "_R_"];

/// Which reply subjects a worker answers to.
#[derive(Debug)]
pub(crate) struct ReplyRule {
    prefixes: Vec<String>,
    tasks: Vec<Pattern>,
    refused: AtomicU64,
}

impl ReplyRule {
    /// # Errors
    /// When a prefix would let a request make the worker write to NATS' own subjects, or to ours.
    pub(crate) fn new(prefixes: Vec<String>, tasks: Vec<Pattern>) -> Result<Self, Problems> {
        let bad = prefixes
            .iter()
            .filter(|prefix| prefix.is_empty() || is_reserved(first_token(prefix)));
        let problems = bad.map(|prefix| {
            Problem::new(format!(
                "the reply prefix \"{prefix}\" is reserved or empty"
            ))
        });
        Problems(problems.collect()).check()?;
        Ok(Self {
            prefixes,
            tasks,
            refused: AtomicU64::new(0),
        })
    }

    /// Whether a message may be run. One that wants its reply in a forbidden place is counted and logged instead.
    pub(crate) fn admits(&self, incoming: &Incoming) -> bool {
        let Some(reply) = &incoming.reply else {
            return true;
        };
        let allowed = self.allows(reply);
        if !allowed {
            self.refuse(incoming, reply);
        }
        allowed
    }

    fn allows(&self, reply: &Subject) -> bool {
        let bytes = reply.as_bytes();
        if ALWAYS
            .iter()
            .any(|prefix| bytes.starts_with(prefix.as_bytes()))
        {
            return true;
        }
        let text = reply.as_str();
        let configured = self.prefixes.iter().any(|prefix| text.starts_with(prefix));
        configured
            && !is_reserved(first_token(text))
            && !self.tasks.iter().any(|task| task.matches(text))
    }

    /// Logs at 1, 2, 4, 8 … refusals: somebody who can send these can send many.
    fn refuse(&self, incoming: &Incoming, reply: &Subject) {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if refused.is_power_of_two() {
            tracing::warn!(subject = %incoming.subject, %reply, refused, "a request wants its reply where no reply may go; it was not run");
        }
    }
}

fn first_token(text: &str) -> &str {
    text.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(prefixes: &[&str]) -> Result<ReplyRule, Problems> {
        let tasks = vec![Pattern::parse("replies.{id}.get").expect("a good subject")];
        ReplyRule::new(
            prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
            tasks,
        )
    }

    #[test]
    fn replies_go_to_inboxes_and_configured_prefixes_alone() {
        let rule = rule(&["replies."]).expect("a good prefix");
        let allows =
            |reply: &str| rule.allows(&Subject::parse(reply.to_owned()).expect("a good subject"));
        for reply in ["_INBOX.a.b", "_INBOX_gateway.a.b", "_R_.a", "replies.a"] {
            assert!(allows(reply), "{reply}");
        }
        for reply in [
            "$JS.API.X",
            "$SRV.PING",
            "metropolis.leave.a",
            "users.5.get",
            "replies.5.get",
            "other",
        ] {
            assert!(!allows(reply), "{reply}");
        }
    }

    #[test]
    fn a_prefix_that_opens_reserved_subjects_is_a_mistake() {
        for prefix in ["", "$", "$JS.", "metropolis.", "metropolis"] {
            assert!(rule(&[prefix]).is_err(), "{prefix:?}");
        }
    }
}
