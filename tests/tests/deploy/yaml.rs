//! YAML documents as JSON values.

use serde_json::{Map, Value};
use yaml_rust2::{Yaml, YamlLoader};

/// The documents of a text, empty ones left out.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let documents =
        YamlLoader::load_from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let documents = documents.iter().map(json);
    documents.filter(|document| !document.is_null()).collect()
}

fn json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Real(text) => Value::from(text.parse::<f64>().unwrap()),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::String(text) => Value::from(text.as_str()),
        Yaml::Boolean(is) => Value::from(*is),
        Yaml::Array(items) => items.iter().map(json).collect(),
        Yaml::Hash(entries) => {
            let mut object = Map::new();
            // What is merged in comes first in our files, so that what stands beside it wins.
            for (key, value) in entries {
                match (name(key).as_str(), json(value)) {
                    ("<<", Value::Object(merged)) => object.extend(merged),
                    (key, value) => drop(object.insert(key.to_owned(), value)),
                }
            }
            Value::Object(object)
        }
        Yaml::Null => Value::Null,
        Yaml::Alias(_) | Yaml::BadValue => panic!("not a value: {yaml:?}"),
    }
}

fn name(key: &Yaml) -> String {
    let Yaml::String(name) = key else {
        panic!("a key that is no text: {key:?}")
    };
    name.clone()
}
