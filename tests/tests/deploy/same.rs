//! Helm and kustomize describe the same system: what they render differs in nothing but what each tool adds of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::object::Object;
use crate::render::{self, Rendered};

/// What Helm says of itself.
const HELM_LABELS: [&str; 3] = [
    "helm.sh/chart",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
];

/// Replaces pods when the configuration changes, as the hashes in kustomize's names do.
const CHECKSUM: &str = "checksum/config";

/// Letters and digits that kustomize ends the name of a generated object in.
const HASH_LENGTH: usize = 10;

#[tokio::test]
async fn helm_and_kustomize_render_the_same_objects() {
    for Rendered {
        way,
        kustomize,
        helm,
    } in render::ways().await
    {
        let mut kustomize = plain(kustomize);
        // Helm makes the namespace when it is asked to, and never as a part of a chart.
        kustomize.remove(&("Namespace".to_owned(), "metropolis".to_owned()));
        let helm = plain(helm);
        let names = |objects: &BTreeMap<_, _>| objects.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&kustomize), names(&helm), "{}", way.folder);
        let mut differences = Vec::new();
        for (name, object) in &kustomize {
            compare(&format!("{name:?}"), object, &helm[name], &mut differences);
        }
        let folder = way.folder;
        assert!(
            differences.is_empty(),
            "{folder}:\n{}",
            differences.join("\n")
        );
    }
}

/// Objects by kind and name, without what a tool adds.
fn plain(objects: &[Object]) -> BTreeMap<(String, String), Value> {
    let hashed: BTreeMap<&str, &str> = objects
        .iter()
        .filter(|object| matches!(object.kind(), "ConfigMap" | "Secret"))
        .filter_map(|object| Some((object.name(), without_hash(object.name())?)))
        .collect();
    let plain = objects.iter().map(|object| {
        let mut value = object.0.clone();
        let is_secret = object.kind() == "Secret";
        simplify(&mut value, &hashed, is_secret);
        let object = Object(value);
        let name = (object.kind().to_owned(), object.name().to_owned());
        (name, object.0)
    });
    plain.collect()
}

/// The name without the hash that kustomize adds: a part of the right length with a digit in it.
fn without_hash(name: &str) -> Option<&str> {
    let (name, hash) = name.rsplit_once('-')?;
    let is_hash = hash.len() == HASH_LENGTH && hash.contains(|c: char| c.is_ascii_digit());
    is_hash.then_some(name)
}

fn simplify(value: &mut Value, hashed: &BTreeMap<&str, &str>, is_secret: bool) {
    match value {
        Value::Object(entries) => {
            entries.retain(|key, _| !HELM_LABELS.contains(&key.as_str()) && key != CHECKSUM);
            // Where objects go is said to Helm on its command line.
            entries.remove("namespace");
            if is_secret && let Some(Value::Object(data)) = entries.get_mut("data") {
                // The passwords differ, and shall.
                data.values_mut().for_each(|value| *value = "…".into());
            }
            entries
                .values_mut()
                .for_each(|value| simplify(value, hashed, is_secret));
            entries.retain(|_, value| *value != Value::Object(Map::new()));
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| simplify(item, hashed, is_secret)),
        Value::String(text) => {
            if let Some(name) = hashed.get(text.as_str()) {
                *text = (*name).to_owned();
            }
        }
        _ => {}
    }
}

/// Says where two values differ, at the leaves.
fn compare(path: &str, kustomize: &Value, helm: &Value, differences: &mut Vec<String>) {
    match (kustomize, helm) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
                let [one, other] = [one, other].map(|map| map.get(key).unwrap_or(&Value::Null));
                compare(&format!("{path}/{key}"), one, other, differences);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                compare(&format!("{path}/{index}"), one, other, differences);
            }
        }
        _ if kustomize == helm => {}
        _ => differences.push(format!(
            "{path}\n  kustomize: {kustomize}\n  helm:      {helm}"
        )),
    }
}
