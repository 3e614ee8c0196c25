//! Text to JSON, as the schema of a property wants it.
//!
//! A `Reading` is the list of ways in which a text can be understood, in the order of the schema, which is the order in
//! which serde tries the variants of an untagged enum. The first way that fits gives the JSON.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::bounds::{Bounds, digits, number, whole};
use super::{InputError, quoted};
use crate::schema::{self, parts};

/// Schemas are walked for at most so many steps, for documents can come from strangers.
const STEPS_MAX: u32 = 10_000;

/// So many references may lead from one to the next; it bounds the depth of the walk.
pub(super) const REFERENCES_MAX: usize = 64;

/// How a property travels as text: in a path, a query, a form or a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// One text is one scalar value.
    Single,
    /// An array of scalars: the key is repeated, once for each item.
    Repeated,
    /// Anything nested: the text is a JSON document.
    Json,
}

/// The ways in which a text can be understood, best first.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading(Vec<Kind>);

#[derive(Debug, Clone)]
enum Kind {
    /// The schema says nothing: the text is a string.
    Any,
    Null,
    Boolean,
    Integer(Bounds),
    Number(Bounds),
    String,
    Constant(Value),
    Array {
        first: Vec<Reading>,
        rest: Reading,
    },
    Object,
}

impl Reading {
    /// Understands `texts` by the first of these readings that fits.
    ///
    /// # Errors
    /// None fits; the error's pointer is relative to the value.
    pub(super) fn first(readings: &[&Self], texts: &[&str]) -> Result<String, InputError> {
        let kinds: Vec<&Kind> = readings.iter().flat_map(|reading| &reading.0).collect();
        let nullable = kinds.iter().any(|kind| kind.is_null());
        let empty_constant = kinds
            .iter()
            .any(|kind| matches!(kind, Kind::Constant(Value::String(text)) if text.is_empty()));
        if texts == [""] && nullable && !empty_constant {
            return Ok("null".to_owned());
        }
        kinds
            .iter()
            .find_map(|kind| kind.read(texts))
            .ok_or_else(|| refusal(&kinds, texts))
    }

    pub(super) fn form(&self) -> TextForm {
        if self
            .0
            .iter()
            .any(|kind| matches!(kind, Kind::Array { .. }) && kind.repeats())
        {
            TextForm::Repeated
        } else if self.is_flat()
            || self
                .0
                .iter()
                .any(|kind| !kind.is_nested() && !kind.is_null())
        {
            TextForm::Single
        } else {
            TextForm::Json
        }
    }

    /// The string that is the only one this reading knows.
    pub(super) fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Kind::Constant(Value::String(text))] => Some(text),
            _ => None,
        }
    }

    /// Whether one text is always one value.
    fn is_flat(&self) -> bool {
        !self.0.iter().any(Kind::is_nested)
    }

    /// What both readings allow; the left one is kept where they overlap.
    fn meet(self, other: Self) -> Self {
        if matches!(self.0.as_slice(), [Kind::Any]) {
            return other;
        }
        if matches!(other.0.as_slice(), [Kind::Any]) {
            return self;
        }
        let common = self
            .0
            .into_iter()
            .filter(|kind| other.0.iter().any(|known| known.name() == kind.name()));
        Self(common.collect())
    }
}

impl Kind {
    fn read(&self, texts: &[&str]) -> Option<String> {
        match (self, texts) {
            (Self::Array { first, rest }, _) if self.repeats() => {
                let items = texts.iter().enumerate().map(|(index, text)| {
                    Reading::first(&[first.get(index).unwrap_or(rest)], &[text]).ok()
                });
                Some(format!(
                    "[{}]",
                    items.collect::<Option<Vec<_>>>()?.join(",")
                ))
            }
            (_, [text]) => self.read_one(text),
            _ => None,
        }
    }

    fn read_one(&self, text: &str) -> Option<String> {
        match self {
            Self::Any | Self::String => Some(Value::from(text).to_string()),
            Self::Null => None,
            Self::Boolean => matches!(text, "true" | "false").then(|| text.to_owned()),
            Self::Integer(bounds) => whole(text).filter(|digits| bounds.broken(digits).is_none()),
            Self::Number(bounds) => number(text)
                .filter(|text| bounds.broken(text).is_none())
                .map(str::to_owned),
            Self::Constant(Value::String(constant)) => {
                (text == constant).then(|| Value::from(text).to_string())
            }
            Self::Constant(Value::Number(constant)) => {
                let same = whole(text).or_else(|| number(text).map(str::to_owned))?;
                (same == constant.to_string()).then_some(same)
            }
            Self::Constant(Value::Null) => None,
            Self::Constant(constant) => {
                let value = serde_json::from_str::<Value>(text).ok()?;
                (value == *constant).then(|| constant.to_string())
            }
            Self::Array { .. } => json_that_starts_with(text, '['),
            Self::Object => json_that_starts_with(text, '{'),
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::Constant(Value::Null))
    }

    fn is_nested(&self) -> bool {
        matches!(
            self,
            Self::Array { .. } | Self::Object | Self::Constant(Value::Array(_) | Value::Object(_))
        )
    }

    /// Whether this is an array whose items are one text each.
    fn repeats(&self) -> bool {
        match self {
            Self::Array { first, rest } => rest.is_flat() && first.iter().all(Reading::is_flat),
            _ => false,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Null | Self::Constant(Value::Null) => "null",
            Self::Boolean | Self::Constant(Value::Bool(_)) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Number(_) | Self::Constant(Value::Number(_)) => "a number",
            Self::String | Self::Constant(Value::String(_)) => "a string",
            Self::Array { .. } | Self::Constant(Value::Array(_)) => "a JSON array",
            Self::Object | Self::Constant(Value::Object(_)) => "a JSON object",
        }
    }
}

/// Says why no way of understanding the texts fits.
fn refusal(kinds: &[&Kind], texts: &[&str]) -> InputError {
    let [text] = texts else {
        return refused_item(kinds, texts)
            .unwrap_or_else(|| InputError::whole("is no array, but was given several times"));
    };
    refused_item(kinds, texts)
        .or_else(|| kinds.iter().find_map(|kind| kind.out_of_bounds(text)))
        .unwrap_or_else(|| InputError::whole(format!("{} is {}", quoted(text), unlike(kinds))))
}

/// Finds the item of a repeated key that is wrong.
fn refused_item(kinds: &[&Kind], texts: &[&str]) -> Option<InputError> {
    let (first, rest) = kinds.iter().find_map(|kind| match kind {
        Kind::Array { first, rest } if kind.repeats() => Some((first, rest)),
        _ => None,
    })?;
    texts.iter().enumerate().find_map(|(index, text)| {
        let refused = Reading::first(&[first.get(index).unwrap_or(rest)], &[text]).err()?;
        Some(refused.below(&index.to_string()))
    })
}

impl Kind {
    fn out_of_bounds(&self, text: &str) -> Option<InputError> {
        let broken = match self {
            Self::Integer(bounds) => bounds.broken(&whole(text).or_else(|| digits(text))?)?,
            Self::Number(bounds) => bounds.broken(number(text)?)?,
            _ => return None,
        };
        Some(InputError::whole(format!("{} is {broken}", quoted(text))))
    }
}

/// "not an integer", "none of `a`, `b`", "neither a boolean nor a number".
fn unlike(kinds: &[&Kind]) -> String {
    let constants = kinds.iter().filter_map(|kind| match kind {
        Kind::Constant(Value::String(text)) => Some(quoted(text)),
        Kind::Constant(value) if !value.is_null() => Some(quoted(&value.to_string())),
        _ => None,
    });
    let constants: Vec<String> = constants.collect();
    let mut names: Vec<&str> = Vec::new();
    let others = kinds
        .iter()
        .filter(|kind| !kind.is_null() && !matches!(kind, Kind::Constant(_)));
    for name in others.map(|kind| kind.name()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match (constants.as_slice(), names.as_slice()) {
        ([], [only]) => format!("not {only}"),
        ([], [first, others @ ..]) => format!("neither {first} nor {}", others.join(" nor ")),
        ([], []) => "not allowed here".to_owned(),
        ([only], []) => format!("not {only}"),
        (several, []) => format!("none of {}", several.join(", ")),
        (several, names) => format!(
            "not {} and none of {}",
            names.join(" or "),
            several.join(", ")
        ),
    }
}

fn json_that_starts_with(text: &str, first: char) -> Option<String> {
    let text = text.trim_ascii();
    let fits = text.starts_with(first) && serde_json::from_str::<IgnoredAny>(text).is_ok();
    fits.then(|| text.to_owned())
}

/// Walks schemas, through references, for a bounded number of steps and never in a circle.
#[derive(Debug)]
pub(super) struct Reader<'d> {
    document: &'d Value,
    open: Vec<&'d str>,
    steps_left: u32,
}

impl<'d> Reader<'d> {
    pub(super) fn new(document: &'d Value) -> Self {
        Self {
            document,
            open: Vec::new(),
            steps_left: STEPS_MAX,
        }
    }

    /// Takes one step of the walk, unless it has been long enough.
    pub(super) fn step<R>(&mut self, walk: impl FnOnce(&mut Self) -> R) -> Option<R> {
        self.steps_left = self.steps_left.checked_sub(1)?;
        Some(walk(self))
    }

    /// Walks on behind a reference. A reference back to where the walk came from adds nothing.
    pub(super) fn follow<R>(
        &mut self,
        reference: &'d str,
        walk: fn(&mut Self, &'d Value) -> R,
    ) -> Option<R> {
        if self.open.contains(&reference) || self.open.len() == REFERENCES_MAX {
            return None;
        }
        let target = schema::resolve(self.document, reference)?;
        self.open.push(reference);
        let found = self.step(|reader| walk(reader, target));
        self.open.pop();
        found
    }

    /// Works out how text becomes a value of this schema.
    pub(super) fn reading(&mut self, schema: &'d Value) -> Reading {
        let mut reading = self.own(schema);
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            reading = reading.meet(self.referenced(reference));
        }
        for part in parts(schema, "allOf") {
            reading = reading.meet(self.step(|reader| reader.reading(part)).unwrap_or_default());
        }
        for keyword in ["anyOf", "oneOf"] {
            let branches = parts(schema, keyword);
            if !branches.is_empty() {
                let kinds = branches
                    .iter()
                    .filter_map(|part| self.step(|reader| reader.reading(part)));
                let kinds: Vec<Kind> = kinds.flat_map(|reading| reading.0).collect();
                reading = reading.meet(Reading(kinds));
            }
        }
        reading
    }

    /// A circle can only close through something nested; a reference to nowhere says nothing.
    fn referenced(&mut self, reference: &'d str) -> Reading {
        let unknown = if self.open.contains(&reference) {
            Kind::Object
        } else {
            Kind::Any
        };
        self.follow(reference, Self::reading)
            .unwrap_or_else(|| Reading(vec![unknown]))
    }

    /// What the schema says by itself, without the schemas it is combined with.
    fn own(&mut self, schema: &'d Value) -> Reading {
        let Some(keywords) = schema.as_object() else {
            return Reading(if *schema == Value::Bool(true) {
                vec![Kind::Any]
            } else {
                Vec::new()
            });
        };
        if let Some(constant) = keywords.get("const") {
            return Reading(vec![Kind::Constant(constant.clone())]);
        }
        if let Some(Value::Array(constants)) = keywords.get("enum") {
            return Reading(constants.iter().cloned().map(Kind::Constant).collect());
        }
        match keywords.get("type") {
            Some(Value::String(name)) => Reading(vec![self.kind(name, keywords)]),
            Some(Value::Array(names)) => Reading(
                names
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|name| self.kind(name, keywords))
                    .collect(),
            ),
            _ => Reading(vec![Kind::Any]),
        }
    }

    fn kind(&mut self, name: &str, keywords: &'d Map<String, Value>) -> Kind {
        match name {
            "null" => Kind::Null,
            "boolean" => Kind::Boolean,
            "integer" => Kind::Integer(Bounds::of(keywords)),
            "number" => Kind::Number(Bounds::of(keywords)),
            "string" => Kind::String,
            "array" => self.array(keywords),
            "object" => Kind::Object,
            _ => Kind::Any,
        }
    }

    fn array(&mut self, keywords: &'d Map<String, Value>) -> Kind {
        let first = keywords
            .get("prefixItems")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let first = first
            .iter()
            .filter_map(|item| self.step(|reader| reader.reading(item)))
            .collect();
        let rest = keywords
            .get("items")
            .and_then(|items| self.step(|reader| reader.reading(items)));
        Kind::Array {
            first,
            rest: rest.unwrap_or_else(|| Reading(vec![Kind::Any])),
        }
    }
}
