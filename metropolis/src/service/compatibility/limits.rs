//! Limits of numbers, texts and arrays: which of them got tighter.

use serde_json::{Map, Value};

use super::Side;

/// Limits by keyword: the keyword, and whether a larger number is the tighter one.
const COUNTS: [(&str, bool); 6] = [
    ("minLength", true),
    ("maxLength", false),
    ("minItems", true),
    ("maxItems", false),
    ("minProperties", true),
    ("maxProperties", false),
];

/// Keywords that cannot be compared, only be the same.
const EXACT: [&str; 3] = ["pattern", "multipleOf", "uniqueItems"];

/// Every limit of the wide schema that some value of the narrow one breaks, with its old and its new state.
pub(super) fn tighter(
    side: Side,
    wide: &Map<String, Value>,
    narrow: &Map<String, Value>,
) -> Vec<String> {
    // Listed values were compared one by one.
    if ["const", "enum"]
        .iter()
        .any(|list| narrow.contains_key(*list))
    {
        return Vec::new();
    }
    let change = |keyword: &str| changed(side, keyword, wide.get(keyword), narrow.get(keyword));
    let mut found: Vec<String> = EXACT
        .into_iter()
        .chain(is_text(wide).then_some("format"))
        .filter(|keyword| wide.contains_key(*keyword) && wide.get(*keyword) != narrow.get(*keyword))
        .map(change)
        .collect();
    let counts = COUNTS.into_iter().filter(|(keyword, larger)| {
        let bound = |schema| number(schema, keyword).map(|value| Bound::new(value, false));
        is_tighter(bound(wide), bound(narrow), *larger)
    });
    found.extend(counts.map(|(keyword, _)| change(keyword)));
    for (inclusive, exclusive, larger) in [
        ("minimum", "exclusiveMinimum", true),
        ("maximum", "exclusiveMaximum", false),
    ] {
        let bound = |schema| tightest(schema, inclusive, exclusive, larger);
        if is_tighter(bound(wide), bound(narrow), larger) {
            let stated = |schema: &Map<String, Value>| {
                let stated = schema.get(exclusive).or_else(|| schema.get(inclusive));
                stated.cloned()
            };
            let (wide, narrow) = (stated(wide), stated(narrow));
            found.push(changed(side, inclusive, wide.as_ref(), narrow.as_ref()));
        }
    }
    found
}

/// One end of the numbers a schema allows.
#[derive(Clone, Copy)]
struct Bound {
    value: f64,
    exclusive: bool,
}

impl Bound {
    fn new(value: f64, exclusive: bool) -> Self {
        Self { value, exclusive }
    }

    fn is_tighter_than(self, other: Self, larger: bool) -> bool {
        if self.value == other.value {
            return self.exclusive && !other.exclusive;
        }
        (self.value > other.value) == larger
    }
}

fn tightest(
    schema: &Map<String, Value>,
    inclusive: &str,
    exclusive: &str,
    larger: bool,
) -> Option<Bound> {
    let inclusive = number(schema, inclusive).map(|value| Bound::new(value, false));
    let exclusive = number(schema, exclusive).map(|value| Bound::new(value, true));
    match (inclusive, exclusive) {
        (Some(one), Some(other)) if other.is_tighter_than(one, larger) => Some(other),
        (one, other) => one.or(other),
    }
}

fn is_tighter(wide: Option<Bound>, narrow: Option<Bound>, larger: bool) -> bool {
    match (wide, narrow) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(wide), Some(narrow)) => wide.is_tighter_than(narrow, larger),
    }
}

fn number(schema: &Map<String, Value>, keyword: &str) -> Option<f64> {
    schema.get(keyword).and_then(Value::as_f64)
}

/// The format of a number is a name for limits that are stated as well.
fn is_text(schema: &Map<String, Value>) -> bool {
    schema.get("type").is_none_or(|name| name == "string")
}

fn changed(side: Side, keyword: &str, wide: Option<&Value>, narrow: Option<&Value>) -> String {
    let (old, new) = match side {
        Side::Input => (narrow, wide),
        Side::Output => (wide, narrow),
    };
    let text = |value: Option<&Value>| value.map_or("none".to_owned(), Value::to_string);
    format!("`{keyword}` is {} now, was {}", text(new), text(old))
}
