//! A schema as a list of alternatives: references followed, unions and lists of types taken apart.

use serde_json::{Map, Value};

use super::resolve;
use super::work::Work;

/// Alternatives of one schema that are looked at.
const ALTERNATIVES_MAX: usize = 256;

/// References and unions inside each other that are followed; a reference to itself would have no end.
const NESTED_MAX: usize = 16;

/// Schemas with one type at most, no reference and no union; together they say what `schema` says.
pub(super) fn alternatives(
    document: &Value,
    schema: &Value,
    work: &mut Work,
) -> Vec<Map<String, Value>> {
    let mut expansion = Expansion {
        document,
        work,
        found: Vec::new(),
    };
    expansion.expand(&Map::new(), schema, NESTED_MAX);
    expansion.found
}

struct Expansion<'e> {
    document: &'e Value,
    work: &'e mut Work,
    found: Vec<Map<String, Value>>,
}

impl Expansion<'_> {
    /// `around` holds the keywords that stand beside the union this schema is a branch of.
    fn expand(&mut self, around: &Map<String, Value>, schema: &Value, nested: usize) {
        let is_affordable = self.work.copy(around.values().chain([schema]));
        if !is_affordable || self.found.len() >= ALTERNATIVES_MAX || *schema == Value::Bool(false) {
            return;
        }
        // `true` says nothing, as does whatever is no schema at all.
        let own = schema.as_object().cloned().unwrap_or_default();
        let mut merged = merge(around.clone(), own);
        let branches = match nested {
            0 => None,
            _ => branches(self.document, &mut merged),
        };
        match branches {
            Some(branches) => {
                for branch in branches {
                    self.expand(&merged, &branch, nested - 1);
                }
            }
            None => self.found.extend(by_type(merged)),
        }
    }
}

/// Takes the next reference or union out of a schema.
fn branches(document: &Value, schema: &mut Map<String, Value>) -> Option<Vec<Value>> {
    if let Some(Value::String(reference)) = schema.remove("$ref") {
        let target = resolve(document, &reference).cloned();
        return Some(vec![target.unwrap_or(Value::Bool(true))]);
    }
    if let Some(Value::Array(all)) = schema.remove("allOf") {
        let objects = all.into_iter().filter_map(|part| match part {
            Value::Object(part) => Some(part),
            _ => None,
        });
        return Some(vec![Value::Object(objects.fold(Map::new(), merge))]);
    }
    let union = schema.remove("anyOf").or_else(|| schema.remove("oneOf"))?;
    match union {
        Value::Array(branches) => Some(branches),
        _ => None,
    }
}

/// Both schemas in one: properties and required names of both, of other keywords the inner one's.
fn merge(mut outer: Map<String, Value>, inner: Map<String, Value>) -> Map<String, Value> {
    for (keyword, value) in inner {
        match (keyword.as_str(), outer.get_mut(&keyword), value) {
            ("properties", Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
            ("required", Some(Value::Array(known)), Value::Array(more)) => known.extend(more),
            ("$defs", _, _) => {}
            (_, _, value) => drop(outer.insert(keyword, value)),
        }
    }
    outer
}

fn by_type(mut schema: Map<String, Value>) -> Vec<Map<String, Value>> {
    let Some(Value::Array(names)) = list(&mut schema) else {
        return vec![schema];
    };
    let of_type = |name: Value| {
        let mut one = schema.clone();
        one.insert("type".to_owned(), name);
        one
    };
    names.into_iter().map(of_type).collect()
}

/// Takes `type` out of a schema when it is a list.
fn list(schema: &mut Map<String, Value>) -> Option<Value> {
    schema.get("type").filter(|names| names.is_array())?;
    schema.remove("type")
}
