#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::*;

#[track_caller]
fn check<T: JsonSchema>(expected: Value) {
    let mut generator = input_generator();
    let schema = generator.subschema_for::<T>();
    assert_eq!(document(schema, &mut generator), expected);
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema matters")]
struct Leaf {
    #[schemars(range(min = -5, max = 100))]
    narrowed: u8,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema matters")]
struct Pair {
    left: Leaf,
    right: Leaf,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema matters")]
struct Chain {
    next: Option<Box<Self>>,
}

#[test]
fn integers_state_the_bounds_of_their_width() {
    check::<i8>(json!({"type": "integer", "format": "int8", "minimum": -128, "maximum": 127}));
    check::<u32>(json!({"type": "integer", "format": "uint32", "minimum": 0, "maximum": u32::MAX}));
    check::<i32>(
        json!({"type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX}),
    );
    check::<u64>(json!({"type": "integer", "format": "uint64", "minimum": 0, "maximum": u64::MAX}));
    check::<i64>(
        json!({"type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX}),
    );
    check::<usize>(
        json!({"type": "integer", "format": "uint", "minimum": 0, "maximum": usize::MAX}),
    );
    check::<std::num::NonZeroU32>(
        json!({"type": "integer", "format": "uint32", "minimum": 1, "maximum": u32::MAX}),
    );
    check::<Option<i32>>(
        json!({"type": ["integer", "null"], "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX}),
    );
    check::<u128>(json!({
        "type": "integer", "format": "uint128", "minimum": 0, "exclusiveMaximum": 340_282_366_920_938_463_463_374_607_431_768_211_456.0,
    }));
    check::<i128>(json!({
        "type": "integer", "format": "int128", "minimum": i128::MIN as f64, "exclusiveMaximum": -(i128::MIN as f64),
    }));
}

#[test]
fn keys_of_maps_are_canonical_integers() {
    let values = json!({"type": "string"});
    check::<BTreeMap<u8, String>>(
        json!({"type": "object", "additionalProperties": false, "patternProperties": {"^(0|[1-9][0-9]*)$": values}}),
    );
    check::<BTreeMap<i8, String>>(
        json!({"type": "object", "additionalProperties": false, "patternProperties": {"^(0|-?[1-9][0-9]*)$": values}}),
    );
}

#[test]
fn a_document_shows_its_root_and_keeps_what_it_needs() {
    let narrowed = json!({"type": "integer", "format": "uint8", "minimum": 0, "maximum": 100});
    let leaf =
        json!({"type": "object", "properties": {"narrowed": narrowed}, "required": ["narrowed"]});
    check::<Leaf>(leaf.clone());
    let side = json!({"$ref": "#/$defs/Leaf"});
    check::<Pair>(json!({
        "type": "object", "properties": {"left": side, "right": side}, "required": ["left", "right"],
        "$defs": {"Leaf": leaf},
    }));
    let chain = json!({
        "type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Chain"}, {"type": "null"}]}},
    });
    let mut whole = chain.clone();
    whole
        .as_object_mut()
        .unwrap()
        .insert("$defs".to_owned(), json!({"Chain": chain}));
    check::<Chain>(whole);
}

#[test]
fn both_directions_and_any_way_of_asking_work() {
    let mut generator = output_generator();
    let schema = generator.root_schema_for::<Pair>();
    let whole = document(schema, &mut generator);
    assert!(whole.get("$schema").is_none());
    assert!(whole["$defs"]["Leaf"].is_object());
    let schema = generator.subschema_for::<Pair>();
    assert!(document(schema, &mut generator)["$defs"]["Leaf"].is_object());
}
