//! Rendered objects, and what is asked of them again and again.

use serde_json::Value;

/// One object of Kubernetes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object(pub(crate) Value);

impl Object {
    pub(crate) fn kind(&self) -> &str {
        self.0["kind"].as_str().unwrap()
    }

    pub(crate) fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap()
    }

    /// What to call it in a message.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.kind(), self.name())
    }

    /// What stands at a JSON pointer, or null.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// Its pod template, if it is what makes pods.
    pub(crate) fn pod(&self) -> Option<&Value> {
        self.0.pointer("/spec/template")
    }
}

/// The objects of a kind.
pub(crate) fn of_kind<'a>(objects: &'a [Object], kind: &str) -> impl Iterator<Item = &'a Object> {
    objects.iter().filter(move |object| object.kind() == kind)
}

/// The object of a kind and a name.
pub(crate) fn named<'a>(objects: &'a [Object], kind: &str, name: &str) -> Option<&'a Object> {
    of_kind(objects, kind).find(|object| object.name() == name)
}

/// The containers of a pod template.
pub(crate) fn containers(pod: &Value) -> &Vec<Value> {
    pod["spec"]["containers"].as_array().unwrap()
}

/// The items of a list that may be missing.
pub(crate) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// Every text within a value.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(entries) => entries.values().flat_map(texts).collect(),
        _ => vec![],
    }
}

/// Whether a label selector takes these labels.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector["matchLabels"].as_object().into_iter().flatten();
    wanted.into_iter().all(|(key, value)| &labels[key] == value)
        && items(&selector["matchExpressions"]).all(|expression| {
            assert_eq!(expression["operator"], "In", "{expression}");
            let label = &labels[expression["key"].as_str().unwrap()];
            items(&expression["values"]).any(|value| value == label)
        })
}
