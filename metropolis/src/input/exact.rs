//! Where serde by itself is as strict as the schema.
//!
//! Validating a document costs a second pass and a tree of values, so it is done only where serde alone would let
//! something through. Whether it would is decided from the schema, once for each task, and in doubt the answer is yes.
//! What no schema shows is a type whose `Deserialize` reads more than its `JsonSchema` admits.

use serde_json::{Map, Value};

use super::reading::REFERENCES_MAX;
use crate::schema;

/// What a document must not hold for serde alone to be trusted with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Laxity {
    /// Serde reads a struct from an array of its fields, too.
    pub(super) arrays: bool,
    /// Serde reads a unit variant from `{"Variant": null}`, too.
    pub(super) nulls: bool,
    /// There is a limit or a form of type that serde does not check at all, or not like the schema.
    pub(super) always: bool,
    /// The whole document is a struct, which is known from its first byte.
    pub(super) starts_as_object: bool,
}

impl Laxity {
    const NONE: Self = Self {
        arrays: false,
        nulls: false,
        always: false,
        starts_as_object: false,
    };
    const ARRAYS: Self = Self {
        arrays: true,
        ..Self::NONE
    };
    const NULLS: Self = Self {
        nulls: true,
        ..Self::NONE
    };
    const ALWAYS: Self = Self {
        always: true,
        ..Self::NONE
    };

    /// Judges the schema of a whole input.
    pub(super) fn of(document: &Value) -> Self {
        let mut judge = Judge {
            document,
            seen: Vec::new(),
            depth: 0,
        };
        let struct_at_root = document.as_object().filter(|object| is_struct(object));
        if let Some(object) = struct_at_root {
            let laxity = judge.members(object);
            return Self {
                starts_as_object: true,
                ..laxity
            };
        }
        judge.schema(document)
    }

    /// Whether serde alone decides about this document as the schema does.
    ///
    /// The bytes are looked for everywhere, in strings too: a bracket in a string only costs the second pass.
    pub(super) fn trusts(self, document: &[u8]) -> bool {
        let first = document.iter().find(|byte| !byte.is_ascii_whitespace());
        !(self.always
            || (self.starts_as_object && first != Some(&b'{'))
            || (self.arrays && document.contains(&b'['))
            || (self.nulls && document.windows(4).any(|window| window == b"null")))
    }

    fn or(self, other: Self) -> Self {
        Self {
            arrays: self.arrays || other.arrays,
            nulls: self.nulls || other.nulls,
            always: self.always || other.always,
            starts_as_object: self.starts_as_object || other.starts_as_object,
        }
    }
}

/// Keywords that limit nothing. A format is one of them: it is serde that knows what a date looks like.
const ANNOTATIONS: [&str; 10] = [
    "$comment",
    "$defs",
    "default",
    "deprecated",
    "description",
    "examples",
    "format",
    "readOnly",
    "title",
    "writeOnly",
];

struct Judge<'d> {
    document: &'d Value,
    /// References that are judged already, or about to be: their laxity is counted once.
    seen: Vec<&'d str>,
    depth: usize,
}

impl<'d> Judge<'d> {
    fn schema(&mut self, schema: &'d Value) -> Laxity {
        let Value::Object(object) = schema else {
            return if *schema == Value::Bool(true) {
                Laxity::NONE
            } else {
                Laxity::ALWAYS
            };
        };
        match keywords(object).as_slice() {
            [] => Laxity::NONE,
            ["$ref"] => self.reference(&object["$ref"]),
            ["anyOf"] => self.option(&object["anyOf"]),
            ["oneOf"] => self.variants(&object["oneOf"]),
            keywords => self.typed(object, keywords),
        }
    }

    fn reference(&mut self, reference: &'d Value) -> Laxity {
        let Some(reference) = reference.as_str() else {
            return Laxity::ALWAYS;
        };
        if self.seen.contains(&reference) {
            return Laxity::NONE;
        }
        if self.depth == REFERENCES_MAX {
            return Laxity::ALWAYS;
        }
        self.seen.push(reference);
        self.depth += 1;
        let laxity = schema::resolve(self.document, reference)
            .map_or(Laxity::ALWAYS, |target| self.schema(target));
        self.depth -= 1;
        laxity
    }

    /// An option of a type that has its own definition: the type, or null.
    fn option(&mut self, choices: &'d Value) -> Laxity {
        match choices.as_array().map(Vec::as_slice) {
            Some([some, none]) if is_null_type(none) => self.schema(some),
            _ => Laxity::ALWAYS,
        }
    }

    /// An enum whose variants are told apart by the only key of an object. All other enums are buffered by serde, which
    /// is laxer then.
    fn variants(&mut self, variants: &'d Value) -> Laxity {
        let Some(variants) = variants.as_array() else {
            return Laxity::ALWAYS;
        };
        variants.iter().fold(Laxity::NONE, |laxity, variant| {
            laxity.or(self.variant(variant))
        })
    }

    fn variant(&mut self, variant: &'d Value) -> Laxity {
        let Some(object) = variant.as_object() else {
            return Laxity::ALWAYS;
        };
        let only_property = object
            .get("properties")
            .and_then(Value::as_object)
            .filter(|members| members.len() == 1);
        match (keywords(object).as_slice(), only_property) {
            (["const" | "enum", "type"], None) => self.schema(variant),
            (["additionalProperties", "properties", "required", "type"], Some(members)) => {
                let sealed = object["additionalProperties"] == Value::Bool(false);
                let content = members.values().next().filter(|_| sealed);
                content.map_or(Laxity::ALWAYS, |content| self.schema(content))
            }
            _ => Laxity::ALWAYS,
        }
    }

    fn typed(&mut self, object: &'d Map<String, Value>, keywords: &[&str]) -> Laxity {
        match (sole_type(object), keywords) {
            (Some("string" | "boolean" | "number" | "null"), ["type"]) => Laxity::NONE,
            (Some("string"), ["const" | "enum", "type"]) => Laxity::NULLS,
            (Some("integer" | "number"), _) => Self::number(object, keywords),
            (Some("array"), ["items", "type"]) => self.schema(&object["items"]),
            (Some("array"), ["maxItems", "minItems", "prefixItems", "type"]) => self.tuple(object),
            (Some("object"), ["additionalProperties", "type"]) => {
                self.schema(&object["additionalProperties"])
            }
            (Some("object"), _) if is_struct(object) => self.members(object).or(Laxity::ARRAYS),
            _ => Laxity::ALWAYS,
        }
    }

    fn number(object: &Map<String, Value>, keywords: &[&str]) -> Laxity {
        let bounds = ["exclusiveMaximum", "maximum", "minimum", "type"];
        let bounded = keywords.iter().all(|keyword| bounds.contains(keyword));
        if bounded && schema::has_only_own_limits(object) {
            Laxity::NONE
        } else {
            Laxity::ALWAYS
        }
    }

    fn tuple(&mut self, object: &'d Map<String, Value>) -> Laxity {
        let Some(items) = object["prefixItems"].as_array() else {
            return Laxity::ALWAYS;
        };
        let length = Value::from(items.len());
        if object["minItems"] != length || object["maxItems"] != length {
            return Laxity::ALWAYS;
        }
        items
            .iter()
            .fold(Laxity::NONE, |laxity, item| laxity.or(self.schema(item)))
    }

    fn members(&mut self, object: &'d Map<String, Value>) -> Laxity {
        let properties = object
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        let required = object
            .get("required")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        properties.fold(Laxity::NONE, |laxity, (name, property)| {
            let needed = required.iter().any(|item| item == name);
            laxity
                .or(self.presence(property, needed))
                .or(self.schema(property))
        })
    }

    /// Serde reads an absent property as none where its type is an option, whatever the schema says about it. And a
    /// property that may be absent but not null, without a default, can be part of a flattened option, in which serde
    /// takes every mistake for an absence.
    fn presence(&self, property: &Value, needed: bool) -> Laxity {
        let has_default = property.get("default").is_some();
        match (needed, self.nullable(property)) {
            (true, true) => Laxity::ALWAYS,
            (false, false) if !has_default => Laxity::ALWAYS,
            _ => Laxity::NONE,
        }
    }

    fn nullable(&self, schema: &Value) -> bool {
        let target = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|to| schema::resolve(self.document, to));
        let schema = target.unwrap_or(schema);
        let Some(object) = schema.as_object() else {
            return true;
        };
        let simple = object.contains_key("type") || object.contains_key("oneOf");
        let either = object.get("anyOf").and_then(Value::as_array);
        schema::has_type(object, "null")
            || either.map_or(!simple, |choices| choices.iter().any(is_null_type))
    }
}

/// The keywords that limit something, in alphabetical order.
fn keywords(object: &Map<String, Value>) -> Vec<&str> {
    let mut keywords: Vec<&str> = object.keys().map(String::as_str).collect();
    keywords.retain(|keyword| !ANNOTATIONS.contains(keyword));
    keywords.sort_unstable();
    keywords
}

fn is_struct(object: &Map<String, Value>) -> bool {
    let known = ["properties", "required", "type"];
    sole_type(object) == Some("object")
        && keywords(object)
            .iter()
            .all(|keyword| known.contains(keyword))
}

fn is_null_type(schema: &Value) -> bool {
    schema.get("type").is_some_and(|name| name == "null")
}

/// The one type of a schema, null aside.
fn sole_type(object: &Map<String, Value>) -> Option<&str> {
    match object.get("type")? {
        Value::String(only) => Some(only),
        Value::Array(names) => match names.as_slice() {
            [Value::String(name), Value::String(null)] if null == "null" => Some(name),
            _ => None,
        },
        _ => None,
    }
}
