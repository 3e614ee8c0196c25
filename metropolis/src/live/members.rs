//! Members: what a document of configuration holds, read one by one, with everything that is wrong collected. Pure.

use std::time::Duration;

use serde_json::{Map, Value};

use super::excerpt::excerpt;
use super::findings::Findings;

/// The largest document that is read, in bytes.
pub const DOCUMENT_MAX: usize = 64 * 1024;

/// A value that is quoted is cut at this many characters.
const QUOTED_MAX: usize = 60;

/// The members of one object. Taking one finds out whether it is what it should be.
#[derive(Debug)]
pub struct Members {
    /// What the object is, for messages: `the document`, ``the task `charge` ``.
    place: String,
    members: Map<String, Value>,
}

impl Members {
    /// Reads a document, which may have these members.
    #[must_use]
    pub fn read(document: &[u8], known: &[&str], findings: &mut Findings) -> Self {
        let place = "the document";
        let length = document.len();
        if length > DOCUMENT_MAX {
            findings.add(format!(
                "{place} has {length} bytes; at most {DOCUMENT_MAX} are read"
            ));
            return Self::none(place);
        }
        match serde_json::from_slice(document) {
            Ok(value) => Self::of(value, place, findings).with_known(known, findings),
            Err(error) => {
                findings.add(format!("{place} is no JSON: {error}"));
                Self::none(place)
            }
        }
    }

    fn none(place: &str) -> Self {
        Self {
            place: place.to_owned(),
            members: Map::new(),
        }
    }

    fn of(value: Value, place: &str, findings: &mut Findings) -> Self {
        let place = place.to_owned();
        match value {
            Value::Object(members) => Self { place, members },
            other => {
                findings.add(format!("{place} is {}, not an object", quoted(&other)));
                Self::none(&place)
            }
        }
    }

    /// Takes out what has none of these names.
    fn with_known(mut self, known: &[&str], findings: &mut Findings) -> Self {
        let Self { place, members } = &mut self;
        members.retain(|name, _| {
            let is_known = known.contains(&name.as_str());
            if !is_known {
                let meant = meant(name, known);
                findings.add(format!("`{name}` is no member of {place}; {meant}"));
            }
            is_known
        });
        self
    }

    /// A member that is an object of these members itself.
    pub fn object(
        &mut self,
        name: &str,
        place: &str,
        known: &[&str],
        findings: &mut Findings,
    ) -> Option<Self> {
        let value = self.members.remove(name)?;
        Some(Self::of(value, place, findings).with_known(known, findings))
    }

    /// A member that is an object whose members have names of the writer's choice.
    pub fn open_object(&mut self, name: &str, findings: &mut Findings) -> Option<Self> {
        let value = self.members.remove(name)?;
        Some(Self::of(value, &format!("`{name}`"), findings))
    }

    /// The names of all members, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// A member as `read` takes it; `expected` says what that is, as in `a text`.
    pub fn take<T>(
        &mut self,
        name: &str,
        expected: &str,
        findings: &mut Findings,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.members.remove(name)?;
        let taken = read(&value);
        if taken.is_none() {
            let (place, found) = (&self.place, quoted(&value));
            findings.add(format!("`{name}` of {place} is {found}, not {expected}"));
        }
        taken
    }

    /// A member that is a whole number in a range. `why` says where the range comes from, if that needs a word.
    pub fn number(
        &mut self,
        name: &str,
        (min, max): (usize, usize),
        why: &str,
        findings: &mut Findings,
    ) -> Option<usize> {
        let expected = format!("a number from {min} to {max}{why}");
        self.take(name, &expected, findings, |value| {
            let number = usize::try_from(value.as_u64()?).ok()?;
            (min..=max).contains(&number).then_some(number)
        })
    }

    /// A member that is a duration in a range, written as in an annotation.
    pub fn duration(
        &mut self,
        name: &str,
        (min, max): (Duration, Duration),
        why: &str,
        findings: &mut Findings,
    ) -> Option<Duration> {
        let (least, most) = (written(min), written(max));
        let expected = format!("a time from \"{least}\" to \"{most}\"{why}");
        self.take(name, &expected, findings, |value| {
            let duration = duration(value.as_str()?)?;
            (min..=max).contains(&duration).then_some(duration)
        })
    }

    /// A member that is `true` or `false`.
    pub fn switch(&mut self, name: &str, findings: &mut Findings) -> Option<bool> {
        self.take(name, "true or false", findings, Value::as_bool)
    }

    /// A member that is a filter of the log.
    pub fn filter(&mut self, name: &str, findings: &mut Findings) -> Option<String> {
        let text = self.take(name, "a text such as \"debug\"", findings, |value| {
            value.as_str().map(str::to_owned)
        })?;
        match crate::log::check_filter(&text) {
            Ok(()) => Some(text),
            Err(error) => {
                findings.add(format!("`{name}` of {}: {error}", self.place));
                None
            }
        }
    }
}

/// The name that was probably meant, or all there are.
pub(super) fn meant(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if known.is_empty() => "there are none".to_owned(),
        None => format!("there are `{}`", known.join("`, `")),
    }
}

/// At most one slip for three letters.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let slips = |known: &&str| strsim::damerau_levenshtein(known, name);
    let nearest = known.iter().copied().min_by_key(slips)?;
    (slips(&nearest) <= nearest.len().div_ceil(3)).then_some(nearest)
}

/// Reads what an annotation could hold: a whole number and a unit.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    Some(Duration::from_millis(number.checked_mul(unit_ms)?))
}

/// A duration as an annotation would hold it.
pub(crate) fn written(duration: Duration) -> String {
    let ms = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let fits = |unit: &&(u128, &str)| ms > 0 && ms.is_multiple_of(unit.0);
    match units.iter().find(fits) {
        Some((unit_ms, unit)) => format!("{}{unit}", ms / unit_ms),
        None => format!("{ms}ms"),
    }
}

fn quoted(value: &Value) -> String {
    excerpt(&value.to_string(), QUOTED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_as_in_an_annotation() {
        for (text, ms) in [
            ("1ms", 1),
            ("1500ms", 1500),
            ("2s", 2_000),
            ("1m", 60_000),
            ("1h", 3_600_000),
        ] {
            let read = duration(text).expect(text);
            assert_eq!(read, Duration::from_millis(ms));
            assert_eq!(written(read), text);
        }
        assert_eq!(written(Duration::ZERO), "0ms");
        for text in [
            "",
            "5",
            "s",
            "1.5s",
            "-1s",
            " 1s",
            "1 s",
            "1d",
            "99999999999999999999s",
            "9999999999999999h",
        ] {
            assert_eq!(duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_name_that_was_meant_is_near_and_otherwise_all_are_named() {
        let known = ["concurrency", "timeout", "paused"];
        assert_eq!(meant("concurency", &known), "did you mean `concurrency`?");
        assert_eq!(meant("pause", &known), "did you mean `paused`?");
        assert_eq!(
            meant("rate", &known),
            "there are `concurrency`, `timeout`, `paused`"
        );
        assert_eq!(meant("rate", &[]), "there are none");
    }
}
