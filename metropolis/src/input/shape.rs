//! What reading an input needs of its schema, worked out once for each task.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::InputError;
use super::exact::Laxity;
use super::limits::Limits;
use super::reading::{Reader, Reading};
use crate::schema;

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

/// One property of an input that is an object.
#[derive(Debug)]
pub struct Property {
    schema: Value,
    required: bool,
    variants: Vec<Variant>,
}

/// What a property is where the tags of an enum have these values.
#[derive(Debug)]
struct Variant {
    schema: Value,
    reading: Reading,
    tags: Vec<(String, String)>,
}

impl Property {
    /// The schema of the property. Its references point into the `$defs` of the input's document.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Whether every input must have the property.
    pub fn required(&self) -> bool {
        self.required
    }

    /// How the property travels as text.
    pub fn form(&self) -> TextForm {
        let forms: Vec<TextForm> = self
            .variants
            .iter()
            .map(|variant| variant.reading.form())
            .collect();
        let first = [TextForm::Repeated, TextForm::Single]
            .into_iter()
            .find(|form| forms.contains(form));
        first.unwrap_or(TextForm::Json)
    }

    /// Reads texts as this property. `tag` gives the text of another property, which can decide between variants.
    pub(super) fn read<'t>(
        &self,
        texts: &[&str],
        tag: impl Fn(&str) -> Option<&'t str>,
    ) -> Result<String, InputError> {
        let fits = |variant: &&Variant| {
            variant
                .tags
                .iter()
                .all(|(name, value)| tag(name).is_none_or(|text| text == value))
        };
        let readings: Vec<&Reading> = self
            .variants
            .iter()
            .filter(fits)
            .map(|variant| &variant.reading)
            .collect();
        // A tag that no variant has is the tag's own mistake, so the text is read as in all of them.
        let all = || {
            self.variants
                .iter()
                .map(|variant| &variant.reading)
                .collect()
        };
        Reading::first(&if readings.is_empty() { all() } else { readings }, texts)
    }

    fn of(variants: Vec<Variant>, required: bool) -> Self {
        let schema = match variants.as_slice() {
            [only] => only.schema.clone(),
            several => {
                json!({ "anyOf": several.iter().map(|variant| &variant.schema).collect::<Vec<_>>() })
            }
        };
        Self {
            schema,
            required,
            variants,
        }
    }
}

/// What reading an input needs of its schema.
///
/// It is made once for each task. The validator inside, which only a worker needs, is made when it is first asked for.
#[derive(Debug)]
pub struct Shape {
    document: Value,
    properties: BTreeMap<String, Property>,
    others: Option<Reading>,
    object: bool,
    null: bool,
    laxity: Laxity,
    limits: OnceLock<Result<Limits, String>>,
}

impl Shape {
    /// Works out the shape of an input from the document of its schema, as `schema::document` makes it.
    ///
    /// Any document will do: what is not understood is taken as "anything", and a document of any size or with cyclic
    /// references is given up on after a bounded number of steps.
    pub fn of(document: &Value) -> Self {
        let fields = Fields::of(&mut Reader::new(document), document);
        let required = fields.required;
        let properties = fields.variants.into_iter().map(|(name, variants)| {
            let needed = required.contains(&name);
            (name, Property::of(variants, needed))
        });
        Self {
            properties: properties.collect(),
            others: fields.others,
            object: fields.object,
            null: fields.null,
            laxity: Laxity::of(document),
            limits: OnceLock::new(),
            document: document.clone(),
        }
    }

    /// Finds a property by name.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.get(name)
    }

    /// All properties that have a name in the schema, sorted by it.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &Property)> {
        self.properties
            .iter()
            .map(|(name, property)| (name.as_str(), property))
    }

    /// Whether an input can be a JSON object, so that text can be part of it.
    pub fn is_object(&self) -> bool {
        self.object
    }

    /// Whether an input can be `null`: a unit, or an option.
    pub fn is_null(&self) -> bool {
        self.null
    }

    /// Why the limits of the schema cannot be enforced, if they cannot: for example a pattern that is no regular
    /// expression. Every document would be refused then, so a worker asks this before it starts.
    pub fn defect(&self) -> Option<&str> {
        self.limits().err()
    }

    pub(super) fn limits(&self) -> Result<&Limits, &str> {
        let limits = self.limits.get_or_init(|| Limits::of(&self.document));
        limits.as_ref().map_err(String::as_str)
    }

    /// Whether serde alone may decide about this document.
    pub(super) fn trusts(&self, document: &[u8]) -> bool {
        self.laxity.trusts(document)
    }

    /// How properties without a name of their own are read, where the input is a map or has one flattened into it.
    pub(super) fn others(&self) -> Option<&Reading> {
        self.others.as_ref()
    }
}

/// The properties of an object as they are collected from the parts of its schema.
struct Fields {
    variants: BTreeMap<String, Vec<Variant>>,
    required: BTreeSet<String>,
    others: Option<Reading>,
    object: bool,
    null: bool,
}

impl Fields {
    fn of<'d>(reader: &mut Reader<'d>, schema: &'d Value) -> Self {
        let mut fields = Self::own(reader, schema);
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            fields.extend_all(reader.follow(target, Self::of));
        }
        for part in parts(schema, "allOf") {
            fields.extend_all(reader.step(|reader| Self::of(reader, part)));
        }
        for keyword in ["anyOf", "oneOf"] {
            let branches = parts(schema, keyword).iter();
            let branches: Vec<Self> = branches
                .filter_map(|part| reader.step(|reader| Self::of(reader, part)))
                .collect();
            fields.extend_all(Self::either(branches));
        }
        fields
    }

    /// What the schema says by itself, without the schemas it is combined with.
    fn own<'d>(reader: &mut Reader<'d>, schema: &'d Value) -> Self {
        let keywords = schema.as_object();
        let admits = |name| {
            keywords.map_or(*schema == Value::Bool(true), |keywords| {
                !keywords.contains_key("type") || schema::has_type(keywords, name)
            })
        };
        let properties = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        let required = parts(schema, "required").iter().filter_map(Value::as_str);
        let others = ["additionalProperties", "unevaluatedProperties"]
            .iter()
            .find_map(|keyword| schema.get(keyword));
        let others = others.filter(|schema| {
            schema
                .as_object()
                .is_some_and(|keywords| !keywords.is_empty())
        });
        Self {
            variants: properties
                .map(|(name, schema)| (name.clone(), vec![Variant::of(reader, schema)]))
                .collect(),
            required: required.map(str::to_owned).collect(),
            others: others.map(|schema| reader.reading(schema)),
            object: admits("object"),
            null: admits("null"),
        }
    }

    /// Adds what must hold as well.
    fn extend_all(&mut self, other: Option<Self>) {
        let Some(other) = other else {
            return;
        };
        for (name, variants) in other.variants {
            self.add(name, variants);
        }
        self.required.extend(other.required);
        self.others = self.others.take().or(other.others);
        self.object &= other.object;
        self.null &= other.null;
    }

    /// Joins the branches of which one must hold. There is nothing to say without branches.
    fn either(branches: Vec<Self>) -> Option<Self> {
        let null = branches.iter().any(|branch| branch.null);
        let object = branches.iter().any(|branch| branch.object);
        if branches.is_empty() {
            return None;
        }
        let objects = branches.into_iter().filter(|branch| branch.object);
        let joined = objects.map(Self::tagged).reduce(|mut joined, branch| {
            joined
                .required
                .retain(|name| branch.required.contains(name));
            joined.others = joined.others.take().or(branch.others);
            for (name, variants) in branch.variants {
                joined.add(name, variants);
            }
            joined
        });
        let joined = joined.unwrap_or_else(Self::empty);
        Some(Self {
            object,
            null,
            ..joined
        })
    }

    fn empty() -> Self {
        Self {
            variants: BTreeMap::new(),
            required: BTreeSet::new(),
            others: None,
            object: false,
            null: false,
        }
    }

    /// Notes on every property of a branch which tag the branch has.
    fn tagged(mut self) -> Self {
        let tags: Vec<(String, String)> = self.tags();
        for (name, variants) in &mut self.variants {
            let others = tags.iter().filter(|(tag, _)| tag != name);
            let others: Vec<_> = others.cloned().collect();
            variants
                .iter_mut()
                .for_each(|variant| variant.tags.extend(others.iter().cloned()));
        }
        self
    }

    fn tags(&self) -> Vec<(String, String)> {
        let required = self
            .variants
            .iter()
            .filter(|(name, _)| self.required.contains(*name));
        let tags = required.filter_map(|(name, variants)| match variants.as_slice() {
            [only] => Some((name.clone(), only.reading.constant()?.to_owned())),
            _ => None,
        });
        tags.collect()
    }

    /// A property that is the same in two branches does not depend on their tags.
    fn add(&mut self, name: String, variants: Vec<Variant>) {
        let known = self.variants.entry(name).or_default();
        for variant in variants {
            match known
                .iter_mut()
                .find(|other| other.schema == variant.schema)
            {
                Some(same) if same.tags != variant.tags => same.tags.clear(),
                Some(_) => {}
                None => known.push(variant),
            }
        }
    }
}

impl Variant {
    fn of<'d>(reader: &mut Reader<'d>, schema: &'d Value) -> Self {
        Self {
            schema: schema.clone(),
            reading: reader.reading(schema),
            tags: Vec::new(),
        }
    }
}

/// The items of a keyword that holds a list; none where it is absent.
pub(super) fn parts<'d>(schema: &'d Value, keyword: &str) -> &'d [Value] {
    schema
        .get(keyword)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
