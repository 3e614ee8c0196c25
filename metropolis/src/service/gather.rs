//! One question, many answers: what `$SRV` subjects are made for.

use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use crate::bus::{Bus, Incoming, Outgoing, PublishError, SubscribeError};
use crate::subject::Subject;

/// Answers that are taken to one question; what comes later is left unread.
pub const ANSWERS_MAX: usize = 4096;

/// Bytes of answers that are taken to one question.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a question was not asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatherError {
    /// There was no place for the answers.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// The question did not leave.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Asks everybody who listens on a subject, and collects what they answer within `patience`.
///
/// Nobody knows how many there are, so it waits that long, unless a server says at once that nobody is there. Whoever
/// needs more time is missed: ask again, or listen to announcements.
///
/// # Errors
/// When the bus is not connected.
pub async fn gather(
    bus: &Bus,
    subject: Subject,
    patience: Duration,
) -> Result<Vec<Incoming>, GatherError> {
    let inbox = bus.inbox();
    let mut answers = bus.subscribe(inbox.as_str(), None, ANSWERS_MAX).await?;
    let deadline = Instant::now() + patience;
    let question = Outgoing {
        reply: Some(inbox),
        ..Outgoing::empty(subject)
    };
    bus.publish(question, deadline).await?;
    let (mut gathered, mut bytes) = (Vec::new(), 0);
    while gathered.len() < ANSWERS_MAX && bytes < ANSWER_BYTES_MAX {
        let Ok(Some(answer)) = timeout_at(deadline.into(), answers.next_answer()).await else {
            break;
        };
        bytes += answer.payload.len();
        gathered.push(answer);
    }
    Ok(gathered)
}
