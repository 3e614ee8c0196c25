//! Answer: what a stream says when it is asked for the last message of a subject, read as an entry. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Entry, Unread};

// What JetStream answers where there is nothing to read.
const NO_MESSAGE: u32 = 10_037;
const NO_STREAM: u32 = 10_059;
const NOT_ENABLED: [u32; 2] = [10_039, 10_076];

/// Reads an answer. Where a key holds nothing, that is an entry too.
pub(super) fn entry(answer: &[u8]) -> Result<Entry, Unread> {
    let read: Result<Answer, _> = serde_json::from_slice(answer);
    match read {
        Ok(Answer {
            message: Some(stored),
            ..
        }) => stored.entry(),
        Ok(Answer {
            error: Some(failure),
            ..
        }) => match failure.err_code {
            NO_MESSAGE => Ok(Entry::default()),
            NO_STREAM => Err(Unread::Missing),
            code if NOT_ENABLED.contains(&code) => Err(Unread::Missing),
            _ => Err(Unread::Silent(failure.description)),
        },
        _ => Err(Unread::Silent("the answer cannot be read".to_owned())),
    }
}

/// What a stream answers when it is asked for a message.
#[derive(Deserialize)]
struct Answer {
    message: Option<Stored>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Stored {
    seq: u64,
    time: String,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: String,
}

impl Stored {
    /// A deletion is a message without data; so is the mark of a value whose time was up.
    fn entry(self) -> Result<Entry, Unread> {
        let data = STANDARD.decode(self.data);
        let value = data.map_err(|error| Unread::Silent(error.to_string()))?;
        Ok(Entry {
            revision: self.seq,
            value: value.into(),
            time: self.time,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_a_stream_are_read_as_they_were_seen() {
        let found = |revision, value: &'static str| Entry {
            revision,
            value: value.into(),
            time: "2026-11-25T21:03:23.7566Z".to_owned(),
        };
        let text = |error: &str| error.to_owned();
        for (answer, expected) in [
            (
                r#"{"type":"…","message":{"subject":"$KV.b.a","seq":1,"data":"b25l","time":"2026-11-25T21:03:23.7566Z"}}"#,
                Ok(found(1, "one")),
            ),
            (
                r#"{"type":"…","message":{"subject":"$KV.b.a","seq":2,"hdrs":"TkFUUy8x","time":"2026-11-25T21:03:23.7566Z"}}"#,
                Ok(found(2, "")),
            ),
            (
                r#"{"type":"…","error":{"code":404,"err_code":10037,"description":"no message found"}}"#,
                Ok(Entry::default()),
            ),
            (
                r#"{"type":"…","error":{"code":404,"err_code":10059,"description":"stream not found"}}"#,
                Err(Unread::Missing),
            ),
            (
                r#"{"type":"…","error":{"code":503,"err_code":10039,"description":"not enabled"}}"#,
                Err(Unread::Missing),
            ),
            (
                r#"{"type":"…","error":{"code":503,"err_code":10008,"description":"unavailable"}}"#,
                Err(Unread::Silent(text("unavailable"))),
            ),
            ("{}", Err(Unread::Silent(text("the answer cannot be read")))),
            ("x", Err(Unread::Silent(text("the answer cannot be read")))),
        ] {
            assert_eq!(entry(answer.as_bytes()), expected, "{answer}");
        }
    }
}
