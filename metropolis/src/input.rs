//! One JSON document out of everything a request says: text parameters and a body, read by the schema of the input.
//!
//! Text (subject tokens, path and query parameters, form fields) is turned into JSON as the schema wants it; a JSON body
//! is never changed. The worker uses this for the tokens of its subjects, the gateway for everything HTTP calls text.
//! The rule behind it: a document that the emitted schema allows is never refused for its form, and one that it
//! forbids is never let through. Nothing here knows HTTP or the bus, and nothing here does I/O.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_path_to_error::Segment;

mod bounds;
mod exact;
mod fields;
mod integral;
mod limits;
mod reading;
mod shape;

pub use reading::TextForm;
pub use shape::{Property, Shape};

/// The largest number of texts one request may have.
pub const TEXTS_MAX: usize = 256;

/// The longest message of an [`InputError`] in bytes, and the longest value it quotes.
const MESSAGE_BYTES_MAX: usize = 200;
const QUOTED_BYTES_MAX: usize = 60;

/// A named value that came as text: a token of a subject, a parameter or a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    /// The name of the property it is meant for.
    pub name: &'a str,
    /// The value, decoded once.
    pub value: &'a str,
    /// Where it stood.
    pub place: Place,
}

/// Where a text stood in its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A token of the subject.
    Subject,
    /// A segment of the path of the URL.
    Path,
    /// The query of the URL.
    Query,
    /// A field of a form.
    Form,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subject => "the subject",
            Self::Path => "the path",
            Self::Query => "the query",
            Self::Form => "the form",
        })
    }
}

/// Why a request is no input of its task. Its text is safe for strangers: it quotes little, and only what they sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    /// The place of the mistake as a JSON pointer into the input; empty for the whole.
    pub pointer: String,
    /// What is wrong there, in a sentence of bounded length.
    pub message: String,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.pointer, self.message)
        }
    }
}

impl std::error::Error for InputError {}

impl InputError {
    fn whole(message: impl Into<String>) -> Self {
        Self {
            pointer: String::new(),
            message: message.into(),
        }
    }

    /// The same mistake, seen from one level further up.
    fn below(mut self, segment: &str) -> Self {
        self.pointer.insert_str(0, &pointer_to(segment));
        self
    }
}

/// Reads an input from texts and a body.
///
/// Where there is no text and serde is as strict as the schema, this is one pass over the bytes.
///
/// # Errors
/// The first thing that is wrong with the texts, the body, or the two together.
pub fn decode<T: DeserializeOwned>(
    shape: &Shape,
    texts: &[Text<'_>],
    body: &[u8],
) -> Result<T, InputError> {
    let document = assemble(shape, texts, body)?;
    if shape.trusts(&document)
        && let Ok(input) = serde_json::from_slice(&document)
    {
        return Ok(input);
    }
    decode_checked(shape, &document)
}

/// Reads a document that serde alone would judge too mildly, or has refused.
fn decode_checked<T: DeserializeOwned>(shape: &Shape, document: &[u8]) -> Result<T, InputError> {
    let value: Value = serde_json::from_slice(document).map_err(|error| not_json(&error))?;
    let limits = shape.limits().map_err(|defect| {
        InputError::whole(format!("the schema of this input is broken: {defect}"))
    })?;
    limits.check(&value, document.len())?;
    // The value is not used any further: it has lost the digits of long numbers, and keys that stood there twice.
    drop(value);
    typed(document).or_else(|refused| match integral::integral(document) {
        Some(plain) => typed(&plain),
        None => Err(refused),
    })
}

fn typed<T: DeserializeOwned>(document: &[u8]) -> Result<T, InputError> {
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = error.path().iter().map(|segment| match segment {
            Segment::Map { key } => pointer_to(key),
            Segment::Enum { variant } => pointer_to(variant),
            Segment::Seq { index } => format!("/{index}"),
            Segment::Unknown => String::new(),
        });
        InputError {
            pointer: pointer.collect(),
            message: without_position(error.inner()),
        }
    })
}

/// Makes the one JSON document of a request, ready to be sent to a worker: the body with every text added to it.
///
/// A body stays as it is, byte for byte. An empty one counts as `{}` where the input is an object, as `null` where it is
/// a unit. Text that belongs to no property is kept as a string, for serde to decide about; an input that is no object
/// has no properties, so its texts are left out.
///
/// # Errors
/// A text is not what its property wants, a property is given twice, or the body cannot take text in. Without texts the
/// body is not looked at.
pub fn assemble<'b>(
    shape: &Shape,
    texts: &[Text<'_>],
    body: &'b [u8],
) -> Result<Cow<'b, [u8]>, InputError> {
    if texts.len() > TEXTS_MAX {
        return Err(InputError::whole(format!(
            "there are more than {TEXTS_MAX} parameters"
        )));
    }
    let Some(text) = texts.first().filter(|_| shape.is_object()) else {
        return whole_body(shape, body).map(Cow::Borrowed);
    };
    let body = if body.is_empty() { b"{}" } else { body };
    let keys = keys(body).map_err(|error| no_object(&error, text))?;
    let members = members(shape, texts, &keys)?;
    Ok(Cow::Owned(splice(body, &members)))
}

fn whole_body<'b>(shape: &Shape, body: &'b [u8]) -> Result<&'b [u8], InputError> {
    match body {
        [] if shape.is_null() => Ok(b"null"),
        [] if shape.is_object() => Ok(b"{}"),
        [] => Err(InputError::whole("the body is empty")),
        body => Ok(body),
    }
}

/// Writes the texts as members of an object, without the braces.
fn members(
    shape: &Shape,
    texts: &[Text<'_>],
    body: &BTreeSet<String>,
) -> Result<String, InputError> {
    let mut names = BTreeSet::new();
    let first = texts.iter().filter(|text| names.insert(text.name));
    let members = first.map(|text| {
        let json = member(shape, text, texts, body).map_err(|refused| refused.below(text.name))?;
        Ok(format!("{}:{json}", Value::from(text.name)))
    });
    Ok(members.collect::<Result<Vec<_>, _>>()?.join(","))
}

/// Reads all texts that have the name of the first.
fn member(
    shape: &Shape,
    first: &Text<'_>,
    texts: &[Text<'_>],
    body: &BTreeSet<String>,
) -> Result<String, InputError> {
    let name = quoted(first.name);
    let same: Vec<&Text<'_>> = texts
        .iter()
        .filter(|text| text.name == first.name)
        .collect();
    if let Some(other) = same.iter().find(|text| text.place != first.place) {
        return Err(InputError::whole(format!(
            "{name} is given by {} and by {}",
            first.place, other.place
        )));
    }
    if body.contains(first.name) {
        return Err(InputError::whole(format!(
            "{name} is given by {} and by the body",
            first.place
        )));
    }
    let property = shape.property(first.name);
    if same.len() > 1 && property.is_none_or(|property| property.form() != TextForm::Repeated) {
        return Err(InputError::whole(format!(
            "{name} is given {} times by {}",
            same.len(),
            first.place
        )));
    }
    let values: Vec<&str> = same.iter().map(|text| text.value).collect();
    let text_of = |name: &str| {
        texts
            .iter()
            .find(|text| text.name == name)
            .map(|text| text.value)
    };
    match (property, shape.others()) {
        (Some(property), _) => property.read(&values, text_of),
        (None, Some(others)) => reading::Reading::first(&[others], &values),
        (None, None) => Ok(Value::from(first.value).to_string()),
    }
}

/// Puts members before the ones an object has; the object is known to be one.
fn splice(object: &[u8], members: &str) -> Vec<u8> {
    let rest = object
        .trim_ascii_start()
        .strip_prefix(b"{")
        .unwrap_or_default();
    let separator = if rest.trim_ascii_start().starts_with(b"}") {
        ""
    } else {
        ","
    };
    [b"{", members.as_bytes(), separator.as_bytes(), rest].concat()
}

/// The names of an object's members. Their values are checked for syntax, and not kept.
fn keys(body: &[u8]) -> serde_json::Result<BTreeSet<String>> {
    struct Keys;

    impl<'de> Visitor<'de> for Keys {
        type Value = BTreeSet<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut keys = BTreeSet::new();
            while let Some((key, IgnoredAny)) = map.next_entry()? {
                keys.insert(key);
            }
            Ok(keys)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let keys = deserializer.deserialize_map(Keys)?;
    deserializer.end()?;
    Ok(keys)
}

fn no_object(error: &serde_json::Error, text: &Text<'_>) -> InputError {
    if error.is_data() {
        let (name, place) = (quoted(text.name), text.place);
        InputError::whole(format!(
            "the body is not a JSON object, so {name} of {place} cannot be part of it"
        ))
    } else {
        not_json(error)
    }
}

fn not_json(error: &serde_json::Error) -> InputError {
    InputError::whole(brief(&format!("the body is not JSON: {error}")))
}

/// The message of serde's error. The position in the bytes is left out: texts have moved it, and the pointer says it.
fn without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    brief(message.strip_suffix(&position).unwrap_or(&message))
}

fn pointer_to(segment: &str) -> String {
    format!("/{}", segment.replace('~', "~0").replace('/', "~1"))
}

/// Quotes the beginning of a value.
fn quoted(value: &str) -> String {
    let start = &value[..boundary(value, QUOTED_BYTES_MAX)];
    let rest = if start.len() < value.len() { "…" } else { "" };
    format!("`{start}{rest}`")
}

/// Takes the middle out of a message that is too long: its ends say what was found and what was expected.
fn brief(message: &str) -> String {
    if message.len() <= MESSAGE_BYTES_MAX {
        return message.to_owned();
    }
    let half = MESSAGE_BYTES_MAX / 2 - "…".len();
    let start = &message[..boundary(message, half)];
    let end = &message[boundary(message, message.len() - half)..];
    format!("{start}…{end}")
}

/// The last boundary between characters that is not behind `index`.
fn boundary(text: &str, index: usize) -> usize {
    let indices = (0..=index.min(text.len())).rev();
    indices
        .into_iter()
        .find(|index| text.is_char_boundary(*index))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
