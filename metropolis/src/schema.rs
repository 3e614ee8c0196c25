//! The JSON Schema of a type, as a task's input or output is described to the world.
//!
//! Two generators, one for each direction, and one function that makes a document of what they generate. schemars leaves
//! out some limits that serde enforces; they are filled in here, because a document must not allow what is refused.
//! Nothing here knows OpenAPI, and nothing here reads a document: that is `input`'s work.

use schemars::Schema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::transform_subschemas;
use serde_json::{Map, Number, Value};

const DEFINITION_PREFIX: &str = "#/$defs/";

/// Creates the generator that describes what a task reads.
pub fn input_generator() -> SchemaGenerator {
    settings().for_deserialize().into_generator()
}

/// Creates the generator that describes what a task writes.
pub fn output_generator() -> SchemaGenerator {
    settings().for_serialize().into_generator()
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.meta_schema = None)
        .with_transform(state_limits)
}

/// Makes one self-contained document of a schema and the definitions its generator has collected.
///
/// A schema that only points to a definition is replaced by that definition, so that a reader of the document sees at
/// once what kind of value it describes. The generator is left without definitions and can be used for the next type.
pub fn document(mut schema: Schema, generator: &mut SchemaGenerator) -> Value {
    for transform in generator.transforms_mut() {
        transform.transform(&mut schema);
    }
    let mut definitions = generator.take_definitions(true);
    seal_all(&mut definitions);
    if let Some(Value::Object(own)) = schema.get_mut("$defs") {
        seal_all(own);
    }
    let mut root = unfold(schema, &mut definitions);
    if let Value::Object(root) = &mut root {
        root.remove("$schema");
        if !definitions.is_empty() {
            root.insert("$defs".to_owned(), Value::Object(definitions));
        }
    }
    root
}

fn unfold(schema: Schema, definitions: &mut Map<String, Value>) -> Value {
    let Some(name) = sole_reference(&schema) else {
        return schema.to_value();
    };
    let Some(definition) = definitions.get(&name).cloned() else {
        return schema.to_value();
    };
    // The definition has to stay where the type contains itself, or another type contains it.
    if !definitions.values().any(|value| points_to(value, &name)) {
        definitions.remove(&name);
    }
    definition
}

fn sole_reference(schema: &Schema) -> Option<String> {
    let object = schema.as_object().filter(|object| object.len() == 1)?;
    let name = object
        .get("$ref")?
        .as_str()?
        .strip_prefix(DEFINITION_PREFIX)?;
    Some(name.to_owned())
}

fn points_to(value: &Value, name: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| points_to(item, name)),
        Value::Object(members) => members.iter().any(|(key, member)| {
            let target = member
                .as_str()
                .and_then(|text| text.strip_prefix(DEFINITION_PREFIX));
            (key == "$ref" && target == Some(name)) || points_to(member, name)
        }),
        _ => false,
    }
}

/// Closes the objects that serde reads with no other keys, and schemars leaves open: some types of the standard library.
///
/// They are known by their names, which schemars gives to definitions, and which derived types do not have.
fn seal_all(definitions: &mut Map<String, Value>) {
    for (name, definition) in definitions {
        match name
            .split_once("_of_")
            .map_or(name.as_str(), |(generic, _)| generic)
        {
            "Range" => seal(definition),
            "Duration" => seal_time(definition, "secs", "nanos", u64::MAX),
            "SystemTime" => seal_time(
                definition,
                "secs_since_epoch",
                "nanos_since_epoch",
                i64::MAX as u64,
            ),
            "Result" | "Bound" | "OsString" => {
                let variants = definition.get_mut("oneOf").and_then(Value::as_array_mut);
                variants.into_iter().flatten().for_each(seal);
            }
            _ => {}
        }
    }
}

fn seal(schema: &mut Value) {
    if let Some(keywords) = schema
        .as_object_mut()
        .filter(|keywords| keywords.contains_key("properties"))
    {
        keywords.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}

/// Seals a time of the standard library, unless it is a type of the user's that has the same name.
///
/// The nanoseconds may be more than a second and carry up to four, which must not overflow the seconds.
fn seal_time(schema: &mut Value, seconds: &str, nanos: &str, seconds_max: u64) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    let Some(properties) = properties.filter(|names| names.len() == 2 && names.contains_key(nanos))
    else {
        return;
    };
    if let Some(Value::Object(seconds)) = properties.get_mut(seconds) {
        seconds.insert("maximum".to_owned(), (seconds_max - 4).into());
        seal(schema);
    }
}

/// Finds the schema a `$ref` of the document points to. Only references into the same document are followed.
pub(crate) fn resolve<'d>(document: &'d Value, reference: &str) -> Option<&'d Value> {
    let pointer = reference.strip_prefix('#')?;
    let unescaped = percent_encoding::percent_decode_str(pointer)
        .decode_utf8()
        .ok()?;
    document.pointer(&unescaped)
}

/// States the limits serde enforces by itself and schemars leaves out.
///
/// Numbers get the bounds of their width; keys of maps from integers lose the leading zeros that serde refuses. What
/// cannot be stated: the width of such a key, which schemars has already forgotten.
fn state_limits(schema: &mut Schema) {
    transform_subschemas(&mut state_limits, schema);
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    bound_number(object);
    canonical_keys(object);
    // schemars does not descend into this keyword, which a flattened map of integers uses.
    if let Some(Ok(others)) = object
        .get_mut("unevaluatedProperties")
        .map(<&mut Schema>::try_from)
    {
        state_limits(others);
    }
}

fn bound_number(object: &mut Map<String, Value>) {
    if !has_type(object, "integer") && !has_type(object, "number") {
        return;
    }
    let width = object
        .get("format")
        .and_then(Value::as_str)
        .and_then(Width::of);
    let Some(width) = width else {
        return;
    };
    tighten(object, "minimum", width.minimum, |own, limit| own >= limit);
    tighten(
        object,
        width.maximum_keyword,
        width.maximum,
        |own, limit| own <= limit,
    );
}

/// The items of a keyword that holds a list; none where it is absent.
pub(crate) fn parts<'d>(schema: &'d Value, keyword: &str) -> &'d [Value] {
    schema
        .get(keyword)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Whether the `type` of a schema is `name` or a list that holds it.
pub(crate) fn has_type(object: &Map<String, Value>, name: &str) -> bool {
    match object.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(names)) => names.iter().any(|item| item == name),
        _ => false,
    }
}

/// Keeps a limit of the user's own where it is narrower than the type's.
fn tighten(
    object: &mut Map<String, Value>,
    keyword: &str,
    limit: Number,
    narrower: fn(f64, f64) -> bool,
) {
    let own = object.get(keyword).and_then(Value::as_f64);
    let kept = own
        .zip(limit.as_f64())
        .is_some_and(|(own, limit)| narrower(own, limit));
    if !kept {
        object.insert(keyword.to_owned(), Value::Number(limit));
    }
}

/// The bounds of one type of number, as JSON Schema states them.
struct Width {
    minimum: Number,
    maximum_keyword: &'static str,
    maximum: Number,
}

impl Width {
    fn of(format: &str) -> Option<Self> {
        Some(match format {
            "int8" => Self::inclusive(i8::MIN, i8::MAX),
            "int16" => Self::inclusive(i16::MIN, i16::MAX),
            "int32" => Self::inclusive(i32::MIN, i32::MAX),
            "int64" => Self::inclusive(i64::MIN, i64::MAX),
            "int" => Self::inclusive(isize::MIN, isize::MAX),
            "uint8" => Self::inclusive(u8::MIN, u8::MAX),
            "uint16" => Self::inclusive(u16::MIN, u16::MAX),
            "uint32" => Self::inclusive(u32::MIN, u32::MAX),
            "uint64" => Self::inclusive(u64::MIN, u64::MAX),
            "uint" => Self::inclusive(usize::MIN, usize::MAX),
            "float" => Self::inclusive(finite(f32::MIN)?, finite(f32::MAX)?),
            "int128" => Self::below_power(Number::from_f64(-(2f64.powi(127)))?, 127)?,
            "uint128" => Self::below_power(0.into(), 128)?,
            _ => return None,
        })
    }

    fn inclusive(minimum: impl Into<Number>, maximum: impl Into<Number>) -> Self {
        Self {
            minimum: minimum.into(),
            maximum_keyword: "maximum",
            maximum: maximum.into(),
        }
    }

    /// The largest 128-bit integer is no JSON number that others read exactly, but the power of two behind it is.
    fn below_power(minimum: Number, exponent: i32) -> Option<Self> {
        Some(Self {
            minimum,
            maximum_keyword: "exclusiveMaximum",
            maximum: Number::from_f64(2f64.powi(exponent))?,
        })
    }
}

fn finite(float: f32) -> Option<Number> {
    Number::from_f64(f64::from(float))
}

/// Whether the limits of a number's schema are the ones its type has anyway, so that serde enforces all of them.
pub(crate) fn has_only_own_limits(object: &Map<String, Value>) -> bool {
    let mut plain = Map::new();
    for keyword in ["type", "format"] {
        plain.extend(
            object
                .get(keyword)
                .map(|value| (keyword.to_owned(), value.clone())),
        );
    }
    bound_number(&mut plain);
    let bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
    plain.len() > 2
        && bounds
            .iter()
            .all(|bound| plain.get(*bound) == object.get(*bound))
}

/// Replaces the patterns schemars gives to maps with integer keys.
///
/// JSON numbers have no leading zeros, and serde reads such a key as a JSON number.
fn canonical_keys(object: &mut Map<String, Value>) {
    let Some(Value::Object(patterns)) = object.get_mut("patternProperties") else {
        return;
    };
    for (loose, exact) in [
        (r"^\d+$", "^(0|[1-9][0-9]*)$"),
        (r"^-?\d+$", "^(0|-?[1-9][0-9]*)$"),
    ] {
        if let Some(values) = patterns.remove(loose) {
            patterns.insert(exact.to_owned(), values);
        }
    }
}

#[cfg(test)]
mod tests;
