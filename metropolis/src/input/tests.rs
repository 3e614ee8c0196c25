//! Values in, values out: one table for each kind of text, one for bodies, and the rule of agreement as a property.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::schema;

mod agreement;
mod bodies;
mod noise;
mod texts;

fn shape_of<T: JsonSchema>() -> Shape {
    Shape::of(&document_of::<T>())
}

fn document_of<T: JsonSchema>() -> Value {
    let mut generator = schema::input_generator();
    let schema = generator.subschema_for::<T>();
    schema::document(schema, &mut generator)
}

fn query<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<Text<'a>> {
    let text = |(name, value): &(&'a str, &'a str)| Text {
        name,
        value,
        place: Place::Query,
    };
    pairs.iter().map(text).collect()
}

/// What query parameters become, or the error.
fn read<T: JsonSchema>(pairs: &[(&str, &str)]) -> Result<Value, String> {
    let assembled = assemble(&shape_of::<T>(), &query(pairs), b"");
    assembled
        .map(|bytes| serde_json::from_slice(&bytes).unwrap())
        .map_err(|error| error.to_string())
}

#[track_caller]
fn check<T: JsonSchema>(value: &str, expected: Value) {
    assert_eq!(
        read::<Field<T>>(&[("field", value)]),
        Ok(json!({ "field": expected })),
        "{value}"
    );
}

#[track_caller]
fn refuse<T: JsonSchema>(value: &str, expected: &str) {
    let error = read::<Field<T>>(&[("field", value)]).unwrap_err();
    assert_eq!(error, format!("/field: {expected}"));
}

#[track_caller]
fn accepts<T: JsonSchema + DeserializeOwned>(body: &str) {
    if let Err(error) = decode::<T>(&shape_of::<T>(), &[], body.as_bytes()) {
        panic!("{body} is refused: {error}");
    }
}

#[track_caller]
fn refuses<T: JsonSchema + DeserializeOwned>(body: &str, expected: &str) {
    let error = decode::<T>(&shape_of::<T>(), &[], body.as_bytes())
        .err()
        .map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some(expected));
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Field<T> {
    field: T,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Green,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema and its reading matter")]
enum Tagged {
    Circle {
        size: u8,
    },
    Label {
        size: String,
        colour: Option<Colour>,
    },
    Nothing,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "value")]
#[expect(dead_code, reason = "only its schema and its reading matter")]
enum Adjacent {
    Number(u8),
    Many(Vec<String>),
    Nothing,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema and its reading matter")]
enum NumberOrText {
    Number(i32),
    Text(String),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema and its reading matter")]
struct Page {
    number: u32,
    #[serde(default)]
    size: Option<u8>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema and its reading matter")]
struct Listing {
    id: u64,
    #[serde(flatten)]
    page: Page,
    #[serde(flatten)]
    rest: BTreeMap<String, i64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema and its reading matter")]
struct Limited {
    #[schemars(range(min = 1, max = 100))]
    count: u32,
    #[schemars(length(min = 1, max = 3), regex(pattern = "^[a-z]+$"))]
    name: String,
    #[schemars(length(max = 2))]
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema and its reading matter")]
struct Tree {
    name: String,
    #[serde(default)]
    children: Vec<Self>,
    parent: Option<Box<Self>>,
}

#[test]
fn properties_say_how_they_travel() {
    let shape = shape_of::<Tree>();
    let forms: Vec<_> = shape
        .properties()
        .map(|(name, property)| (name, property.form(), property.required()))
        .collect();
    assert_eq!(
        forms,
        [
            ("children", TextForm::Json, false),
            ("name", TextForm::Single, true),
            ("parent", TextForm::Json, false)
        ]
    );
    let shape = shape_of::<Adjacent>();
    assert_eq!(
        shape
            .property("value")
            .map(|property| (property.form(), property.required())),
        Some((TextForm::Repeated, false))
    );
    assert!(shape.property("kind").unwrap().required());
    assert!(!shape_of::<u8>().is_object());
    assert!(shape_of::<()>().is_null());
}

#[test]
fn strange_schemas_are_given_up_on() {
    let mut definitions = serde_json::Map::new();
    for level in 0..40 {
        let next = json!({"$ref": format!("#/$defs/{}", level + 1)});
        definitions.insert(level.to_string(), json!({"anyOf": [next, next, next]}));
    }
    Shape::of(&json!({"$ref": "#/$defs/0", "$defs": definitions}));
    let chain = (0..20_000).map(|level| {
        let next = json!({"$ref": format!("#/$defs/{}", level + 1)});
        (
            level.to_string(),
            json!({"type": "object", "properties": {"next": next}, "allOf": [next]}),
        )
    });
    let chain: serde_json::Map<String, Value> = chain.collect();
    Shape::of(&json!({"$ref": "#/$defs/0", "$defs": chain}));
    Shape::of(&json!({"$ref": "#"}));
    Shape::of(
        &json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}], "properties": 5, "required": {}, "type": [3]}),
    );
    Shape::of(&json!(null));
    assert!(
        Shape::of(&json!({"type": "string", "pattern": "("}))
            .defect()
            .is_some()
    );
    assert!(
        Shape::of(&json!({"$ref": "https://example.com/schema"}))
            .defect()
            .is_some()
    );
}

#[test]
fn simple_types_are_left_to_serde() {
    let exact = |shape: Shape| shape.trusts(br#"{"a":1}"#);
    assert!(exact(shape_of::<Page>()));
    assert!(exact(shape_of::<Field<(u8, f32, Option<Colour>)>>()));
    assert!(exact(shape_of::<Field<BTreeMap<String, Vec<i64>>>>()));
    assert!(!exact(shape_of::<Limited>()));
    assert!(!exact(shape_of::<Listing>()));
    assert!(!exact(shape_of::<Field<NumberOrText>>()));
    assert!(exact(shape_of::<Field<Page>>()));
    assert!(!shape_of::<Field<Page>>().trusts(br#"{"field":[]}"#));
    assert!(!shape_of::<Field<Colour>>().trusts(br#"{"field":{"red":null}}"#));
    assert!(!shape_of::<Page>().trusts(b" [1]"));
}
