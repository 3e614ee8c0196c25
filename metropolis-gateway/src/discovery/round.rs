//! One round of asking: everybody is asked what they serve, and whether they live.

use std::time::{Duration, Instant};

use metropolis::bus::{Bus, Incoming, Outgoing};
use metropolis::service::{GatherError, INFO, PING, Ping};
use metropolis::subject::Subject;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::offered::{ANSWER_BYTES_MAX, Announced};

/// How long a round may take.
const ROUND_MAX: Duration = Duration::from_secs(2);

/// A round is over when nobody has answered for this long.
const QUIET: Duration = Duration::from_millis(300);

/// Answers that are taken to one question. Each is read and let go before the next, so this bounds time, not memory.
const ANSWERS_MAX: usize = 16_384;

/// What a round finds out, one after the other.
#[derive(Debug)]
pub(super) enum Heard {
    Info(Announced),
    /// An answer to `INFO` that cannot be read, which leaves nobody to blame, with what is wrong with it.
    Unread(String),
    /// An instance that lives, even if its `INFO` was lost or cannot be read.
    Ping {
        name: String,
        id: String,
    },
    End(Outcome),
}

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// Everybody who had an answer gave it, so silence means something.
    Whole,
    /// There were more answers than are taken.
    Cut,
    /// The bus did not take the question.
    NotAsked,
}

/// Asks, and tells what it hears; at the end it says so.
pub(super) async fn ask(bus: Bus, heard: mpsc::Sender<Heard>) {
    let (infos, pings) = tokio::join!(gather(&bus, INFO, &heard), gather(&bus, PING, &heard));
    let outcome = infos.and_then(|infos| Ok(infos.max(pings?)));
    let outcome = outcome.unwrap_or_else(|error| {
        tracing::debug!(%error, "services cannot be asked now");
        Outcome::NotAsked
    });
    let _ = heard.send(Heard::End(outcome)).await;
}

/// Like [`metropolis::service::gather`], but keeps nothing: a few large answers must not crowd out all others.
async fn gather(
    bus: &Bus,
    question: &'static str,
    heard: &mpsc::Sender<Heard>,
) -> Result<Outcome, GatherError> {
    let end = Instant::now() + ROUND_MAX;
    let inbox = bus.inbox();
    let mut answers = bus.subscribe(inbox.as_str(), None, ANSWERS_MAX).await?;
    let asked = Outgoing {
        reply: Some(inbox),
        ..Outgoing::empty(Subject::parse(question).expect("a literal subject"))
    };
    bus.publish(asked, end).await?;
    for _ in 0..ANSWERS_MAX {
        let quiet = end.min(Instant::now() + QUIET);
        let Ok(Some(answer)) = timeout_at(quiet.into(), answers.next_answer()).await else {
            let is_whole = Instant::now() < end;
            return Ok(if is_whole {
                Outcome::Whole
            } else {
                Outcome::Cut
            });
        };
        if let Some(news) = read(question, answer).await {
            // Nobody hears any more when the watcher is gone, which ends this task as well.
            let _ = heard.send(news).await;
        }
    }
    Ok(Outcome::Cut)
}

async fn read(question: &str, answer: Incoming) -> Option<Heard> {
    if question == INFO {
        let read = Announced::read(answer.payload).await;
        return Some(read.map_or_else(Heard::Unread, Heard::Info));
    }
    if answer.payload.len() > ANSWER_BYTES_MAX {
        return None;
    }
    let ping: Ping = serde_json::from_slice(&answer.payload).ok()?;
    let (name, id) = (ping.identity.name, ping.identity.id);
    Some(Heard::Ping { name, id })
}
