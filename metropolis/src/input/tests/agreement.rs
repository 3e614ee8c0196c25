//! The rule: the decoder accepts a document exactly when the emitted schema does.
//!
//! Documents are drawn from the schema itself, then damaged a little, so that many lie just inside and just outside of
//! what is allowed. The judge is the validator on the emitted document, with nothing of `Shape` in between.

use std::marker::PhantomData;
use std::num::{NonZeroI16, NonZeroU8};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Map;

use super::*;

const DOCUMENTS_PER_SEED: usize = 8;

/// Numbers at the edges of types, and a little of everything else.
fn strangers() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.0),
        json!(-0.0),
        json!(1.5),
        json!(127),
        json!(128),
        json!(255),
        json!(256),
        json!(300),
        json!(i32::MAX),
        json!(u32::MAX),
        json!(4_294_967_296_u64),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e19),
        json!(2e19),
        json!(1e300),
        json!(""),
        json!("a"),
        json!("ab"),
        json!("é"),
        json!("5"),
        json!("A"),
        json!([]),
        json!([1]),
        json!(["a", "b"]),
        json!([1, 1.0]),
        json!({}),
        json!({"a": 1}),
        json!({"5": "a"}),
        json!({"-5": "a"}),
        json!({"05": "a"}),
        json!([[]]),
    ]
}

/// A small generator of our own: it draws from a schema, which a strategy that is fixed beforehand cannot.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    fn one_in(&mut self, limit: usize) -> bool {
        self.below(limit) == 0
    }

    fn pick<'v>(&mut self, values: &'v [Value]) -> &'v Value {
        &values[self.below(values.len())]
    }
}

struct Draw<'d> {
    document: &'d Value,
    pool: Vec<Value>,
    names: Vec<String>,
    dice: Dice,
}

impl Draw<'_> {
    /// A value the schema might allow: every keyword we emit is followed in most cases.
    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        if depth > 6 {
            return json!(null);
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let document = self.document;
            return self.value(schema::resolve(document, target).unwrap(), depth + 1);
        }
        let mut drawn = self.own(schema, depth);
        for keyword in ["anyOf", "oneOf"] {
            let branches = schema::parts(schema, keyword);
            if !branches.is_empty() {
                let branch = self.dice.pick(branches).clone();
                drawn = joined(drawn, self.value(&branch, depth + 1));
            }
        }
        for part in schema::parts(schema, "allOf") {
            drawn = joined(drawn, self.value(part, depth + 1));
        }
        drawn
    }

    fn own(&mut self, schema: &Value, depth: usize) -> Value {
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(Value::Array(constants)) = schema.get("enum") {
            return self.dice.pick(constants).clone();
        }
        let kind = match schema.get("type") {
            Some(Value::Array(names)) => self.dice.pick(names).clone(),
            Some(name) => name.clone(),
            None if schema::parts(schema, "anyOf").len() + schema::parts(schema, "oneOf").len()
                > 0 =>
            {
                return json!({});
            }
            None => return self.dice.pick(&self.pool.clone()).clone(),
        };
        match kind.as_str().unwrap() {
            "null" => json!(null),
            "boolean" => json!(self.dice.one_in(2)),
            "integer" => self.integer(schema),
            "number" => json!(self.dice.below(2000) as f64 / 8.0 - 100.0),
            "string" => json!("abcdefghij"[..1 + self.dice.below(3)]),
            "array" => self.array(schema, depth),
            _ => self.object(schema, depth),
        }
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let edges: Vec<Value> = ["minimum", "maximum"]
            .iter()
            .filter_map(|bound| schema.get(bound).cloned())
            .collect();
        match self.dice.below(4) {
            0 if !edges.is_empty() => self.dice.pick(&edges).clone(),
            1 => json!(self.dice.below(100) as f64),
            _ => json!(self.dice.below(100)),
        }
    }

    fn array(&mut self, schema: &Value, depth: usize) -> Value {
        let first = schema::parts(schema, "prefixItems").to_vec();
        let mut items: Vec<Value> = first
            .iter()
            .map(|item| self.value(item, depth + 1))
            .collect();
        if let Some(rest) = schema.get("items") {
            let fixed = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0) as usize;
            let length = fixed.max(self.dice.below(3));
            items.extend((0..length).map(|_| self.value(rest, depth + 1)));
        }
        Value::Array(items)
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let mut object = Map::new();
        for (name, property) in schema
            .get("properties")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
        {
            let needed = schema::parts(schema, "required")
                .iter()
                .any(|required| *required == name);
            if needed || self.dice.one_in(2) {
                object.insert(name, self.value(&property, depth + 1));
            }
        }
        let others = schema
            .get("additionalProperties")
            .or_else(|| schema.get("unevaluatedProperties"));
        if let Some(others) = others.filter(|others| others.is_object()) {
            object.insert("other".to_owned(), self.value(others, depth + 1));
        }
        if let Some(Value::Object(patterns)) = schema.get("patternProperties") {
            let values = patterns.values().next().unwrap();
            object.insert(
                self.dice.below(100).to_string(),
                self.value(values, depth + 1),
            );
        }
        Value::Object(object)
    }

    /// Changes one node somewhere in the value.
    fn damage(&mut self, value: &mut Value) {
        match value {
            Value::Array(items) if !items.is_empty() && !self.dice.one_in(3) => {
                let index = self.dice.below(items.len());
                self.damage(&mut items[index]);
            }
            Value::Object(members) if !members.is_empty() && !self.dice.one_in(3) => {
                let name = members
                    .keys()
                    .nth(self.dice.below(members.len()))
                    .unwrap()
                    .clone();
                self.damage(&mut members[&name]);
            }
            _ => self.replace(value),
        }
    }

    fn replace(&mut self, value: &mut Value) {
        let stranger = self.dice.pick(&self.pool.clone()).clone();
        let name = self.names[self.dice.below(self.names.len())].clone();
        match (self.dice.below(4), &mut *value) {
            (0, Value::Object(members)) => {
                members.insert(name, stranger);
            }
            (1, Value::Object(members)) => {
                members.remove(&name);
            }
            (2, Value::Object(members)) => *value = members.values().cloned().collect(),
            (0, Value::Array(items)) => items.push(stranger),
            (1, Value::Array(items)) => drop(items.pop()),
            (2, Value::String(text)) => *value = json!({ text.as_str(): null }),
            (0, Value::Number(number))
                if number
                    .as_i64()
                    .is_some_and(|integer| integer.unsigned_abs() < 1 << 50) =>
            {
                *value = json!(number.as_f64())
            }
            _ => *value = stranger,
        }
    }
}

/// Two objects as one; otherwise the right one.
fn joined(left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Object(mut left), Value::Object(right)) => {
            left.extend(right);
            Value::Object(left)
        }
        (_, right) => right,
    }
}

/// Every string of a schema document, as a key or a value: names of properties and variants among them.
fn names(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        Value::Object(members) => {
            for (name, member) in members {
                found.push(name.clone());
                names(member, found);
            }
        }
        _ => {}
    }
}

struct Case {
    document: Value,
    shape: Shape,
    judge: jsonschema::Validator,
    names: Vec<String>,
}

impl Case {
    fn of<T: JsonSchema>() -> Self {
        let document = document_of::<T>();
        let judge = jsonschema::options()
            .should_validate_formats(false)
            .build(&document)
            .unwrap();
        let mut found = vec!["stranger".to_owned()];
        names(&document, &mut found);
        Self {
            shape: Shape::of(&document),
            judge,
            document,
            names: found,
        }
    }

    fn agrees<T: JsonSchema + DeserializeOwned>(&self, seed: u64) -> Result<(), TestCaseError> {
        let mut pool = strangers();
        pool.extend(self.names.iter().map(|name| json!(name)));
        let dice = Dice(seed | 1);
        let mut draw = Draw {
            document: &self.document,
            pool,
            names: self.names.clone(),
            dice,
        };
        let drawn = draw.value(&self.document, 0);
        let mut value = drawn.clone();
        for round in 0..DOCUMENTS_PER_SEED {
            // Some documents are damaged twice; most are compared after each single change.
            if round % 3 == 0 {
                value = drawn.clone();
            }
            if round > 0 {
                draw.damage(&mut value);
            }
            let text = value.to_string();
            let decoded = decode::<T>(&self.shape, &[], text.as_bytes());
            prop_assert_eq!(
                decoded.is_ok(),
                self.judge.is_valid(&value),
                "{}: {:?}",
                text,
                decoded.err()
            );
        }
        Ok(())
    }
}

macro_rules! agreement {
    ($($name:ident: $type:ty,)*) => {$(
        #[test]
        fn $name() {
            let case = Case::of::<$type>();
            let config = ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() };
            proptest!(config, |(seed: u64)| case.agrees::<$type>(seed)?);
        }
    )*};
}

agreement! {
    numbers_agree: Numbers,
    scalars_agree: (bool, char, String, (), f32),
    structs_agree: Tree,
    strict_structs_agree: Strict,
    defaults_agree: Defaults,
    limits_agree: Limited,
    unit_enums_agree: Vec<Colour>,
    external_enums_agree: External,
    internal_enums_agree: Field<Tagged>,
    adjacent_enums_agree: Contents,
    untagged_enums_agree: Vec<Untagged>,
    flattened_types_agree: Listing,
    flattened_enums_agree: FlattenedEnum,
    flattened_options_agree: FlattenedOption,
    maps_agree: Field<BTreeMap<String, Vec<i16>>>,
    integer_keys_agree: BTreeMap<i64, String>,
    collections_agree: (BTreeSet<u8>, [u8; 2], Vec<Option<u8>>, NonZeroU8, NonZeroI16),
    durations_agree: Field<Duration>,
    newtypes_agree: Field<Newtype>,
    anything_agrees: Field<Value>,
    nested_options_agree: Option<Field<Option<Option<u8>>>>,
    required_units_agree: Units,
    results_agree: Field<Result<u8, Page>>,
    ranges_agree: (std::ops::Range<i8>, std::ops::Bound<u8>, std::time::SystemTime),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema and its reading matter")]
struct Numbers {
    a: i8,
    b: u16,
    c: i32,
    d: u32,
    e: Option<i64>,
    f: Option<u64>,
    g: Option<f64>,
    h: Option<usize>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema and its reading matter")]
struct Strict {
    page: Page,
    colour: Option<Colour>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema and its reading matter")]
struct Defaults {
    #[serde(default)]
    many_words: u8,
    #[serde(default)]
    pages: Vec<Page>,
    #[serde(skip)]
    skipped: u8,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema and its reading matter")]
enum External {
    Unit,
    Other,
    Newtype(u8),
    Optional(Option<Colour>),
    Tuple(u8, String),
    Struct { page: Page, colour: Colour },
    Again(Box<Self>),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema and its reading matter")]
enum Untagged {
    Number(i32),
    Page(Page),
    Colours(Vec<Colour>),
    Both { a: u8, b: Option<String> },
    Nothing,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema and its reading matter")]
struct FlattenedEnum {
    id: u8,
    #[serde(flatten)]
    tagged: Tagged,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema and its reading matter")]
struct FlattenedOption {
    id: u8,
    #[serde(flatten)]
    page: Option<Strictless>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema and its reading matter")]
struct Strictless {
    number: u32,
    name: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema and its reading matter")]
struct Newtype(#[schemars(range(max = 10))] u8);

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema and its reading matter")]
struct Units {
    unit: (),
    phantom: PhantomData<u8>,
    none: Option<()>,
}

/// No unit variant: serde refuses `{"kind": "Unit", "value": 1}`, and the schema of an adjacently tagged enum does not.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "value")]
#[expect(dead_code, reason = "only its schema and its reading matter")]
enum Contents {
    Number(u8),
    Optional(Option<Colour>),
    Struct { page: Page },
}
