//! Every object is what Kubernetes, the Prometheus operator and KEDA say it must be, and nothing in it is unknown.

use std::collections::BTreeMap;
use std::path::Path;

use jsonschema::{Registry, Validator};
use metropolis_tests::kubernetes;
use serde_json::{Value, json};

use crate::object::Object;
use crate::render;

const SERVICE_MONITOR: &str = include_str!("schemas/servicemonitor.json");
const SCALED_OBJECT: &str = include_str!("schemas/scaledobject.json");

/// What schemas refer to.
const DEFINITIONS: &str = "_definitions.json";
const OBJECT_META: &str = "https://kubernetes.io/api/_definitions.json#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// What is wrong with objects: every unknown kind, or else every fault within them.
async fn problems(objects: &[Object]) -> Vec<String> {
    let folder = kubernetes::schemas().await;
    let definitions = read(&folder.join(DEFINITIONS)).unwrap();
    let id = definitions["$id"].as_str().unwrap().to_owned();
    let registry = Registry::new().add(id, definitions).unwrap();
    let registry = registry.prepare().unwrap();
    let mut validators = BTreeMap::<String, Validator>::new();
    let mut problems = Vec::new();
    for object in objects {
        let file = file_of(object);
        if !validators.contains_key(&file) {
            let Some(schema) = schema_of(object, &folder.join(&file)) else {
                problems.push(format!("{} is of an unknown kind", object.title()));
                continue;
            };
            let options = jsonschema::options().with_registry(&registry);
            validators.insert(file.clone(), options.build(&schema).unwrap());
        }
        let errors = validators[&file].iter_errors(&object.0);
        problems.extend(
            errors.map(|error| format!("{}: {}: {error}", object.title(), error.instance_path())),
        );
    }
    problems
}

/// The name of an object's schema, such as `deployment-apps-v1.json` for `apps/v1`.
fn file_of(object: &Object) -> String {
    let version = object.at("/apiVersion").as_str().unwrap();
    let version = match version.split_once('/') {
        Some((group, version)) => format!("{}-{version}", group.split('.').next().unwrap()),
        None => version.to_owned(),
    };
    format!("{}-{version}.json", object.kind().to_lowercase())
}

/// The schema of a kind: of a custom resource if it is one of those two, of Kubernetes otherwise.
fn schema_of(object: &Object, file: &Path) -> Option<Value> {
    let custom = match (object.at("/apiVersion").as_str()?, object.kind()) {
        ("monitoring.coreos.com/v1", "ServiceMonitor") => SERVICE_MONITOR,
        ("keda.sh/v1alpha1", "ScaledObject") => SCALED_OBJECT,
        _ => return read(file),
    };
    let mut schema = serde_json::from_str(custom).unwrap();
    refuse_unknown(&mut schema);
    schema["properties"]["metadata"] = json!({ "$ref": OBJECT_META });
    Some(schema)
}

fn read(path: &Path) -> Option<Value> {
    Some(serde_json::from_slice(&std::fs::read(path).ok()?).unwrap())
}

/// What the API server does: a field that the schema of a custom resource does not name is an error.
fn refuse_unknown(schema: &mut Value) {
    match schema {
        Value::Object(entries) => {
            let is_closed = entries.get("properties").is_some_and(Value::is_object)
                && !entries.contains_key("additionalProperties");
            entries.values_mut().for_each(refuse_unknown);
            if is_closed {
                entries.insert("additionalProperties".to_owned(), false.into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refuse_unknown),
        _ => {}
    }
}

#[tokio::test]
async fn every_object_is_valid_and_holds_nothing_unknown() {
    let sets = render::everything().await.iter();
    let objects: Vec<Object> = sets.flat_map(|(_, objects)| objects.clone()).collect();
    assert!(objects.len() > 100, "only {} objects", objects.len());
    assert_eq!(problems(&objects).await, Vec::<String>::new());
}

/// One that is right, to be made wrong.
fn service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "it" },
        "spec": { "ports": [{ "port": 80 }] },
    })
}

async fn check(object: Value, expected: &str) {
    let problems = problems(&[Object(object)]).await;
    let [problem] = &problems[..] else {
        panic!("not one problem: {problems:?}")
    };
    assert!(problem.contains(expected), "{problem}");
}

#[tokio::test]
async fn what_is_unknown_or_of_the_wrong_type_is_noticed() {
    assert_eq!(problems(&[Object(service())]).await, Vec::<String>::new());
    let mut object = service();
    object["kind"] = "Servise".into();
    check(object, "Servise it is of an unknown kind").await;
    let mut object = service();
    object["apiVersion"] = "v2".into();
    check(object, "unknown kind").await;
    let mut object = service();
    object["metadata"]["lables"] = json!({});
    check(object, "lables").await;
    let mut object = service();
    object["spec"]["ports"][0]["targetport"] = 80.into();
    check(object, "targetport").await;
    let mut object = service();
    object["spec"]["ports"][0]["port"] = "http".into();
    check(object, "/spec/ports/0/port").await;
}

#[tokio::test]
async fn custom_resources_are_checked_as_strictly() {
    let sets = render::ways().await;
    let keda = sets.iter().find(|set| set.way.folder == "overlays/keda");
    for kind in ["ServiceMonitor", "ScaledObject"] {
        let object = keda
            .unwrap()
            .helm
            .iter()
            .find(|object| object.kind() == kind);
        let mut object = object.unwrap().0.clone();
        object["spec"]["selectr"] = json!({});
        check(object.clone(), "selectr").await;
        object["spec"].as_object_mut().unwrap().remove("selectr");
        object["metadata"]["nam"] = "it".into();
        check(object, "nam").await;
    }
}
