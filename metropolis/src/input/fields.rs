//! The properties of an input, collected from all parts of its schema.
//!
//! A flattened or tagged type spreads its properties over `allOf`, `anyOf` and `oneOf`; text does not care where in the
//! schema its property stands, except that a tag among the texts decides what the other texts are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::reading::{Reader, Reading};
use crate::schema::{self, parts};

/// The properties of an object as they are collected from the parts of its schema.
pub(super) struct Fields {
    pub(super) variants: BTreeMap<String, Vec<Variant>>,
    pub(super) required: BTreeSet<String>,
    pub(super) others: Option<Reading>,
    pub(super) object: bool,
    pub(super) null: bool,
}

impl Fields {
    pub(super) fn of<'d>(reader: &mut Reader<'d>, schema: &'d Value) -> Self {
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

/// What a property is where the tags of an enum have these values.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) schema: Value,
    pub(super) reading: Reading,
    pub(super) tags: Vec<(String, String)>,
}

impl Variant {
    fn of<'d>(reader: &mut Reader<'d>, schema: &'d Value) -> Self {
        Self {
            schema: schema.clone(),
            reading: reader
                .step(|reader| reader.reading(schema))
                .unwrap_or_default(),
            tags: Vec::new(),
        }
    }
}
