//! Whether a task's new contract breaks callers of the one in service. Pure: two contracts in, differences out.
//!
//! What callers send must still be accepted, and what they get must still be what they know. So of the two schemas of a
//! direction one has to allow everything that the other allows. Keywords that need a proof (`not`, `if`, patterns that
//! differ in spelling) are compared as texts or not at all: what is reported is a break, what is not may still be one.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use crate::contract::Contract;
use crate::schema::resolve;

mod alternatives;
mod limits;
mod work;

use alternatives::alternatives;
use work::Work;

/// Differences of one contract that are reported; more would not be read.
pub const DIFFERENCES_MAX: usize = 32;

/// Levels of a schema that are compared.
const DEPTH_MAX: usize = 32;

/// One way in which callers of the contract in service would break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which half of the contract.
    pub side: Side,
    /// Where in the document, as a JSON pointer (RFC 6901); `*` stands for every item or every key.
    pub pointer: String,
    /// What changed, after the place: `is required now`.
    pub what: String,
}

/// A half of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What callers send: what they may send now must stay allowed.
    Input,
    /// What callers get: nothing may be missing or new in kind.
    Output,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Input => "input",
            Side::Output => "output",
        };
        let space = if self.pointer.is_empty() { "" } else { " " };
        write!(f, "{side}{space}{}: {}", self.pointer, self.what)
    }
}

/// Compares a contract with the one in service: breaking is an input that gains a required property or narrows a type,
/// and an output that loses a property or widens a type.
///
/// A comparison that would take too long, which only schemas made for that do, ends with what was found by then.
#[must_use]
pub fn breaking(in_service: &Contract, new: &Contract) -> Vec<Difference> {
    let mut differences = half(Side::Input, in_service.input.as_ref(), new.input.as_ref());
    differences.extend(half(
        Side::Output,
        in_service.output.as_ref(),
        new.output.as_ref(),
    ));
    differences.truncate(DIFFERENCES_MAX);
    differences
}

fn half(side: Side, old: Option<&Value>, new: Option<&Value>) -> Vec<Difference> {
    let whole = |what: &str| {
        vec![Difference {
            side,
            pointer: String::new(),
            what: what.to_owned(),
        }]
    };
    match (old, new) {
        (None, None) => Vec::new(),
        (None, Some(_)) => whole("is JSON now, was raw bytes"),
        (Some(_), None) => whole("is raw bytes now, was JSON"),
        (Some(old), Some(new)) if old == new => Vec::new(),
        (Some(old), Some(new)) => Comparison::new(side, old, new).run(),
    }
}

/// A comparison of two documents: `wide` has to allow everything that `narrow` allows.
struct Comparison<'d> {
    side: Side,
    wide: &'d Value,
    narrow: &'d Value,
    /// The pairs on the way here: a pair that is met again inside itself brings nothing new.
    under_way: Vec<(Value, Value)>,
    work: Work,
}

impl<'d> Comparison<'d> {
    fn new(side: Side, old: &'d Value, new: &'d Value) -> Self {
        let (wide, narrow) = match side {
            Side::Input => (new, old),
            Side::Output => (old, new),
        };
        Self {
            side,
            wide,
            narrow,
            under_way: Vec::new(),
            work: Work::new(),
        }
    }

    fn run(mut self) -> Vec<Difference> {
        let differences = self.schemas(self.wide, self.narrow, "");
        outermost(differences)
    }

    fn schemas(&mut self, wide: &Value, narrow: &Value, pointer: &str) -> Vec<Difference> {
        let met = |(w, n): &(Value, Value)| w == wide && n == narrow;
        if self.under_way.len() > DEPTH_MAX
            || !self.work.copy([wide, narrow])
            || self.under_way.iter().any(met)
        {
            return Vec::new();
        }
        let choices = alternatives(self.wide, wide, &mut self.work);
        let cases = alternatives(self.narrow, narrow, &mut self.work);
        self.under_way.push((wide.clone(), narrow.clone()));
        let mut differences: Vec<Difference> = cases
            .iter()
            .flat_map(|case| self.case(&choices, case, pointer))
            .collect();
        self.under_way.pop();
        differences.dedup();
        differences.truncate(DIFFERENCES_MAX);
        differences
    }

    /// One case of the narrow schema has to find its place in one choice of the wide one; else the nearest is blamed.
    fn case(
        &mut self,
        choices: &[Map<String, Value>],
        case: &Map<String, Value>,
        pointer: &str,
    ) -> Vec<Difference> {
        let mut nearest = None;
        for choice in choices.iter().filter(|choice| takes_type(choice, case)) {
            let differences = self.pair(choice, case, pointer);
            if differences.is_empty() {
                return differences;
            }
            let distance = (other_tags(choice, case), differences.len());
            if nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
                nearest = Some((distance, differences));
            }
        }
        match nearest {
            Some((_, differences)) => differences,
            None => vec![self.type_of(case, pointer)],
        }
    }

    /// Compares two schemas whose types fit.
    fn pair(
        &mut self,
        wide: &Map<String, Value>,
        narrow: &Map<String, Value>,
        pointer: &str,
    ) -> Vec<Difference> {
        if !self.work.steps(cost(wide, narrow)) {
            return Vec::new();
        }
        let mut differences = self.values(wide, narrow, pointer);
        for what in limits::tighter(self.side, wide, narrow) {
            differences.push(self.difference(pointer, what));
        }
        differences.extend(self.required(wide, narrow, pointer));
        differences.extend(self.properties(wide, narrow, pointer));
        differences.extend(self.others(wide, narrow, pointer));
        differences.extend(self.items(wide, narrow, pointer));
        differences
    }

    /// Values that are listed one by one.
    fn values(
        &self,
        wide: &Map<String, Value>,
        narrow: &Map<String, Value>,
        pointer: &str,
    ) -> Vec<Difference> {
        let Some(choices) = listed(wide) else {
            return Vec::new();
        };
        let Some(cases) = listed(narrow) else {
            let what = match self.side {
                Side::Input => "takes certain values only now",
                Side::Output => "may have other values now",
            };
            return vec![self.difference(pointer, what)];
        };
        let missing = cases.iter().filter(|case| !choices.contains(case));
        let what = |case: &Value| match self.side {
            Side::Input => format!("`{case}` is not accepted any more"),
            Side::Output => format!("may be `{case}` now"),
        };
        missing
            .map(|case| self.difference(pointer, what(case)))
            .collect()
    }

    fn required(
        &self,
        wide: &Map<String, Value>,
        narrow: &Map<String, Value>,
        pointer: &str,
    ) -> Vec<Difference> {
        let kept: Vec<&str> = required(narrow).collect();
        let has = |name: &str| properties(narrow).any(|(known, _)| known == name);
        let what = |name: &str| match self.side {
            Side::Input => "is required now",
            Side::Output if has(name) => "may be missing now",
            Side::Output => "is gone",
        };
        required(wide)
            .filter(|name| !kept.contains(name))
            .map(|name| self.difference(&below(pointer, name), what(name)))
            .collect()
    }

    fn properties(
        &mut self,
        wide: &Map<String, Value>,
        narrow: &Map<String, Value>,
        pointer: &str,
    ) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (name, case) in properties(narrow) {
            let place = below(pointer, name);
            match properties(wide).find(|(known, _)| *known == name) {
                Some((_, choice)) => differences.extend(self.schemas(choice, case, &place)),
                None if self.side == Side::Input && is_closed(wide) => {
                    differences.push(self.difference(&place, "is refused now"));
                }
                // A property that nobody names: callers' is ignored, a task's is news.
                None => {}
            }
        }
        let is_map = narrow
            .get("additionalProperties")
            .is_some_and(|others| *others != Value::Bool(false));
        if self.side == Side::Output && !is_map {
            differences.extend(self.lost(wide, narrow, pointer));
        }
        differences
    }

    /// Properties that were optional and are not there at all any more; the required ones are reported as such.
    fn lost(
        &self,
        wide: &Map<String, Value>,
        narrow: &Map<String, Value>,
        pointer: &str,
    ) -> Vec<Difference> {
        let is_required = |name: &str| required(wide).any(|required| required == name);
        let has = |name: &str| properties(narrow).any(|(known, _)| known == name);
        properties(wide)
            .filter(|(name, _)| !has(name) && !is_required(name))
            .map(|(name, _)| self.difference(&below(pointer, name), "is gone"))
            .collect()
    }

    /// Properties that no schema names: the values of maps, and what closed objects refuse.
    fn others(
        &mut self,
        wide: &Map<String, Value>,
        narrow: &Map<String, Value>,
        pointer: &str,
    ) -> Vec<Difference> {
        match (
            wide.get("additionalProperties"),
            narrow.get("additionalProperties"),
        ) {
            (Some(choice), Some(case)) => self.schemas(choice, case, &below(pointer, "*")),
            (Some(Value::Bool(false)), None) if self.side == Side::Input => {
                vec![self.difference(pointer, "other properties are refused now")]
            }
            _ => Vec::new(),
        }
    }

    fn items(
        &mut self,
        wide: &Map<String, Value>,
        narrow: &Map<String, Value>,
        pointer: &str,
    ) -> Vec<Difference> {
        let mut differences = match (wide.get("items"), narrow.get("items")) {
            (Some(choice), Some(case)) => self.schemas(choice, case, &below(pointer, "*")),
            _ => Vec::new(),
        };
        for (at, (choice, case)) in tuple(wide).iter().zip(tuple(narrow)).enumerate() {
            let place = below(pointer, &at.to_string());
            differences.extend(self.schemas(choice, case, &place));
        }
        differences
    }

    fn type_of(&self, case: &Map<String, Value>, pointer: &str) -> Difference {
        let name = type_name(case);
        let what = match self.side {
            Side::Input => format!("takes no `{name}` any more"),
            Side::Output => format!("may be `{name}` now"),
        };
        self.difference(pointer, what)
    }

    fn difference(&self, pointer: &str, what: impl Into<String>) -> Difference {
        Difference {
            side: self.side,
            pointer: pointer.to_owned(),
            what: what.into(),
        }
    }
}

/// What comparing the names and the listed values of two schemas costs, each of one with each of the other.
fn cost(wide: &Map<String, Value>, narrow: &Map<String, Value>) -> usize {
    let product = |count: fn(&Map<String, Value>) -> usize| count(wide) * count(narrow);
    let names = |schema: &Map<String, Value>| properties(schema).count() + required(schema).count();
    1 + product(names) + product(|schema| listed(schema).map_or(0, <[Value]>::len))
}

/// A type that contains itself shows the same difference at every level; the outermost tells enough.
fn outermost(differences: Vec<Difference>) -> Vec<Difference> {
    let is_inner = |inner: &Difference| {
        differences.iter().any(|outer| {
            outer.what == inner.what
                && outer.pointer.len() < inner.pointer.len()
                && !outer.pointer.is_empty()
                && inner.pointer.ends_with(&outer.pointer)
        })
    };
    let outer = differences
        .iter()
        .filter(|difference| !is_inner(difference));
    let mut outer: Vec<Difference> = outer.cloned().collect();
    outer.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    outer
}

/// How many properties have one value each in two variants of a union, and not the same: its tag, usually.
fn other_tags(choice: &Map<String, Value>, case: &Map<String, Value>) -> usize {
    let tag = |schema: &Value| schema.get("const").cloned();
    let differs = |(name, schema): &(&str, &Value)| {
        let other = properties(case).find(|(known, _)| known == name);
        other.is_some_and(|(_, other)| tag(schema).is_some() && tag(schema) != tag(other))
    };
    properties(choice).filter(differs).count()
}

/// Whether the type of a case is one that a choice takes. A schema without a type stands for the types of its values.
fn takes_type(choice: &Map<String, Value>, case: &Map<String, Value>) -> bool {
    let Some(wanted) = choice.get("type").and_then(Value::as_str) else {
        return true;
    };
    let is_wanted = |name: &str| name == wanted || (name == "integer" && wanted == "number");
    match (case.get("type").and_then(Value::as_str), listed(case)) {
        (Some(name), _) => is_wanted(name),
        (None, Some(values)) => values.iter().all(|value| is_wanted(name_of(value))),
        (None, None) => false,
    }
}

fn type_name(case: &Map<String, Value>) -> Cow<'_, str> {
    match (case.get("type").and_then(Value::as_str), listed(case)) {
        (Some(name), _) => Cow::Borrowed(name),
        (None, Some(values)) if !values.is_empty() => Cow::Owned(values[0].to_string()),
        _ => Cow::Borrowed("any value"),
    }
}

/// The type of a value, in the words of JSON Schema.
fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn listed(schema: &Map<String, Value>) -> Option<&[Value]> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(only), _) => Some(std::slice::from_ref(only)),
        (None, Some(Value::Array(values))) => Some(values),
        _ => None,
    }
}

fn required(schema: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str)
}

fn properties(schema: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.as_str(), schema))
}

fn tuple(schema: &Map<String, Value>) -> &[Value] {
    let items = schema.get("prefixItems").and_then(Value::as_array);
    items.map_or(&[], Vec::as_slice)
}

/// Whether properties without a name in the schema are refused.
fn is_closed(schema: &Map<String, Value>) -> bool {
    schema.get("additionalProperties") == Some(&Value::Bool(false))
        && !schema.contains_key("patternProperties")
}

/// The pointer of a property, its name escaped as RFC 6901 wants it.
fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests;
