//! From texts and a body to subject and payload.
//!
//! Values of the subject's parameters go into the subject, encoded as one token each; everything else joins the JSON
//! input. The worker puts the two together again.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use metropolis::input::{InputError, Text, assemble};
use metropolis::subject::{SUBJECT_MAX, Subject};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{TaskRoute, legacy};
use crate::operation::Format;
use crate::status::Refusal;

/// Makes subject and payload of a request.
pub(super) fn of(
    task: &TaskRoute,
    texts: &[Text<'_>],
    body: Bytes,
) -> Result<(Subject, Bytes), Refusal> {
    match &task.subject {
        Some(subject) if task.takes_raw() => Ok((subject.clone(), body)),
        Some(subject) => Ok((subject.clone(), payload(task, texts, &body)?)),
        None => with_parameters(task, texts, body),
    }
}

fn with_parameters(
    task: &TaskRoute,
    texts: &[Text<'_>],
    body: Bytes,
) -> Result<(Subject, Bytes), Refusal> {
    let is_own = |text: &Text<'_>| {
        task.operation
            .pattern
            .parameters()
            .any(|name| name == text.name)
    };
    let (own, others): (Vec<Text<'_>>, Vec<Text<'_>>) = texts.iter().partition(|text| is_own(text));
    let (taken, body) = match missing(task, &own)? {
        names if names.is_empty() => (Vec::new(), body),
        names => take_out(&names, &body)?,
    };
    let values: Vec<(&str, &str)> = own
        .iter()
        .map(|text| (text.name, text.value))
        .chain(taken.iter().map(|(name, value)| (*name, value.as_str())))
        .collect();
    Ok((subject(task, &values)?, payload(task, &others, &body)?))
}

/// The parameters of the subject that no text has a value for.
fn missing<'t>(task: &'t TaskRoute, own: &[Text<'_>]) -> Result<Vec<&'t str>, InputError> {
    let mut missing = Vec::new();
    for name in task.operation.pattern.parameters() {
        match own.iter().filter(|text| text.name == name).count() {
            0 => missing.push(name),
            1 => {}
            times => return Err(wrong(name, &format!("is given {times} times"))),
        }
    }
    Ok(missing)
}

fn subject(task: &TaskRoute, values: &[(&str, &str)]) -> Result<Subject, Refusal> {
    if let Some((name, _)) = values.iter().find(|(_, value)| value.is_empty()) {
        return Err(wrong(name, "is empty").into());
    }
    let value = |name: &str| {
        values
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    };
    let filled = task.operation.pattern.fill(value);
    filled.map_err(|_| Refusal::ValuesTooLong { max: SUBJECT_MAX })
}

fn payload(task: &TaskRoute, texts: &[Text<'_>], body: &Bytes) -> Result<Bytes, Refusal> {
    if task.operation.format == Format::Legacy {
        return legacy::payload(texts, body);
    }
    Ok(match assemble(task.operation.shape(), texts, body)? {
        Cow::Borrowed(_) if !body.is_empty() => body.clone(),
        assembled => Bytes::from(assembled.into_owned()),
    })
}

/// Texts that were taken out of a body, by name.
type Taken<'n> = Vec<(&'n str, String)>;

/// Takes members out of a JSON object, as the texts a subject wants; the rest of the object stays as it was written.
fn take_out<'n>(names: &[&'n str], body: &[u8]) -> Result<(Taken<'n>, Bytes), InputError> {
    let Members(members) = if body.is_empty() {
        Members(Vec::new())
    } else {
        serde_json::from_slice(body).map_err(|_| whole("the body is not a JSON object"))?
    };
    let taken = names.iter().map(|name| Ok((*name, only(name, &members)?)));
    let taken = taken.collect::<Result<Vec<_>, InputError>>()?;
    let rest = members
        .iter()
        .filter(|(name, _)| !names.contains(&name.as_str()));
    let rest: Vec<String> = rest
        .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
        .collect();
    Ok((taken, Bytes::from(format!("{{{}}}", rest.join(",")))))
}

/// The value of the one member of a name.
fn only(name: &str, members: &[(String, &RawValue)]) -> Result<String, InputError> {
    let mut values = members
        .iter()
        .filter(|(known, _)| known == name)
        .map(|(_, value)| value);
    let value = values.next().ok_or_else(|| wrong(name, "is missing"))?;
    if values.next().is_some() {
        return Err(wrong(name, "is given twice"));
    }
    match serde_json::from_str(value.get()) {
        Ok(Value::String(text)) => Ok(text),
        // As it was written, so that no digit of a long number is lost.
        Ok(Value::Number(_) | Value::Bool(_)) => Ok(value.get().to_owned()),
        _ => Err(wrong(name, "is no text, number or boolean")),
    }
}

fn wrong(name: &str, message: &str) -> InputError {
    InputError {
        pointer: format!("/{name}"),
        message: message.to_owned(),
    }
}

fn whole(message: &str) -> InputError {
    InputError {
        pointer: String::new(),
        message: message.to_owned(),
    }
}

/// The members of a JSON object, values as they were written.
struct Members<'b>(Vec<(String, &'b RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Result<[&str; 3], &str>) {
        let taken = take_out(&["id", "n"], body.as_bytes()).map_err(|error| error.to_string());
        let taken = taken.map(|(taken, rest)| {
            let [id, n] = [0, 1].map(|at: usize| taken[at].1.clone());
            [id, n, String::from_utf8_lossy(&rest).into_owned()]
        });
        let expected = expected
            .map(|texts| texts.map(str::to_owned))
            .map_err(str::to_owned);
        assert_eq!(taken, expected, "{body}");
    }

    #[test]
    fn members_become_texts_and_the_rest_stays() {
        check(
            r#"{"a": [1.50], "id":"x\u0041", "n": 123456789012345678901234567890, "b\"":{}}"#,
            Ok([
                "xA",
                "123456789012345678901234567890",
                r#"{"a":[1.50],"b\"":{}}"#,
            ]),
        );
    }

    #[test]
    fn what_cannot_stand_in_a_subject_is_refused() {
        check(r#"{"id":"a"}"#, Err("/n: is missing"));
        check("", Err("/id: is missing"));
        check(
            r#"{"id":"a","n":null}"#,
            Err("/n: is no text, number or boolean"),
        );
        check(r#"{"id":"a","n":1,"n":2}"#, Err("/n: is given twice"));
        check("[]", Err("the body is not a JSON object"));
        check(
            r#"{"id":"a","n":1} x"#,
            Err("the body is not a JSON object"),
        );
    }
}
