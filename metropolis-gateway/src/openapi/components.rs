//! The schemas all operations share: definitions of many documents under names of one.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// The component that all errors are.
pub(super) const PROBLEM: &str = "Problem";

const DEFINITIONS: &str = "#/$defs/";
const SCHEMAS: &str = "#/components/schemas/";

/// Schemas by name. One name has one meaning: two types of one name, and two directions of one type that differ, get
/// names of their own.
#[derive(Debug, Default)]
pub(super) struct Components {
    schemas: BTreeMap<String, Component>,
}

#[derive(Debug)]
struct Component {
    schema: Value,
    /// The definition as it was, with everything it refers to: equal ones mean the same.
    meaning: Meaning,
}

type Meaning = BTreeMap<String, Value>;

/// What the definitions of one document are called here.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Components {
    /// Takes in the definitions of a document.
    pub(super) fn adopt(&mut self, document: Option<&Value>) -> Names {
        let definitions = document.and_then(|document| document["$defs"].as_object());
        let Some(definitions) = definitions else {
            return Names::default();
        };
        let mut names = Names::default();
        let mut added = Vec::new();
        for name in definitions.keys() {
            let meaning = meaning(definitions, name);
            let (free, is_new) = self.name_for(name, &meaning);
            if is_new {
                let schema = Value::Null;
                self.schemas
                    .insert(free.clone(), Component { schema, meaning });
                added.push((name, free.clone()));
            }
            names.0.insert(name.clone(), free);
        }
        // Definitions refer to each other, so all of them have names before the first is written.
        for (name, free) in added {
            if let Some(component) = self.schemas.get_mut(&free) {
                component.schema = names.rewritten(&definitions[name]);
            }
        }
        names
    }

    pub(super) fn into_schemas(self) -> Map<String, Value> {
        let schemas = self.schemas.into_iter();
        schemas
            .map(|(name, component)| (name, component.schema))
            .collect()
    }

    /// The first name that has this meaning already, or none yet.
    fn name_for(&self, name: &str, meaning: &Meaning) -> (String, bool) {
        let name = allowed(name);
        let numbered = (2_u32..).map(|number| format!("{name}{number}"));
        for name in std::iter::once(name.clone()).chain(numbered) {
            match self.schemas.get(&name) {
                None if name == PROBLEM => {}
                None => return (name, true),
                Some(known) if known.meaning == *meaning => return (name, false),
                Some(_) => {}
            }
        }
        (name, true)
    }
}

/// OpenAPI takes fewer characters in a name than JSON Schema does.
fn allowed(name: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.chars()
        .map(|c| if good(c) { c } else { '_' })
        .collect()
}

/// A definition with everything that can be reached from it.
fn meaning(definitions: &Map<String, Value>, name: &str) -> Meaning {
    let mut reached = Meaning::new();
    let mut open = vec![name.to_owned()];
    while let Some(name) = open.pop() {
        if let Some(definition) = definitions.get(&name)
            && !reached.contains_key(&name)
        {
            collect_references(definition, &mut open);
            reached.insert(name, definition.clone());
        }
    }
    reached
}

fn collect_references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_references(item, found)),
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(definition_name));
            members
                .values()
                .for_each(|member| collect_references(member, found));
        }
        _ => {}
    }
}

/// The name a reference has for its target.
fn definition_name(reference: &Value) -> Option<String> {
    let pointer = reference.as_str()?.strip_prefix(DEFINITIONS)?;
    let name = percent_decode_str(pointer).decode_utf8().ok()?;
    Some(name.replace("~1", "/").replace("~0", "~"))
}

impl Names {
    /// A schema of the document, with its references pointing here and its own definitions left out.
    pub(super) fn rewritten(&self, schema: &Value) -> Value {
        match schema {
            Value::Array(items) => items.iter().map(|item| self.rewritten(item)).collect(),
            Value::Object(members) => {
                let members = members.iter().filter(|(key, _)| *key != "$defs");
                Value::Object(
                    members
                        .map(|(key, member)| (key.clone(), self.member(key, member)))
                        .collect(),
                )
            }
            scalar => scalar.clone(),
        }
    }

    fn member(&self, key: &str, member: &Value) -> Value {
        let name = (key == "$ref").then(|| definition_name(member)).flatten();
        match name.and_then(|name| self.0.get(&name)) {
            Some(name) => Value::from(format!("{SCHEMAS}{name}")),
            None => self.rewritten(member),
        }
    }
}
