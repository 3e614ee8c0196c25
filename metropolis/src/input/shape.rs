//! What reading an input needs of its schema, worked out once for each task.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::InputError;
use super::exact::Laxity;
use super::fields::{Fields, Variant};
use super::limits::Limits;
use super::reading::{Reader, Reading, TextForm};

/// One property of an input that is an object.
#[derive(Debug)]
pub struct Property {
    schema: Value,
    required: bool,
    variants: Vec<Variant>,
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
    ///
    /// A schema that is understood here to its last keyword has no limits, and nothing in it can be broken: compiling it
    /// takes more time and memory than all else of a task, and most are never asked.
    pub fn defect(&self) -> Option<&str> {
        match self.laxity.always {
            true => self.limits().err(),
            false => None,
        }
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
