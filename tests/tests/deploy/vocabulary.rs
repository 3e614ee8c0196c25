//! Manifests use only what programs know: settings that exist, with values that are read, and metrics that exist.

use std::collections::BTreeSet;

use metropolis::Settings;
use serde_json::Value;

use crate::object::{Object, containers, items, named, texts};
use crate::{render, text};

/// Every metric of workers and gateways, without the endings that histograms add.
const METRICS: &[&str] = &[
    "metropolis_task_requests_total",
    "metropolis_task_faults_total",
    "metropolis_task_not_started_total",
    "metropolis_task_duration_seconds",
    "metropolis_task_queue_age_seconds",
    "metropolis_task_in_flight",
    "metropolis_task_waiting",
    "metropolis_task_concurrency",
    "metropolis_task_saturation_ratio",
    "metropolis_task_paused",
    "metropolis_bus_connected",
    "metropolis_bus_reconnects_total",
    "metropolis_bus_rebuilds_total",
    "metropolis_bus_dropped_messages_total",
    "metropolis_bus_malformed_messages_total",
    "metropolis_bus_late_replies_total",
    "metropolis_bus_requests_in_flight",
    "metropolis_build_info",
    "http_server_request_duration_seconds",
    "http_server_active_requests",
    "metropolis_gateway_faults_total",
    "metropolis_gateway_routes",
    "metropolis_service_instances",
    "metropolis_services_quarantined",
];

/// What a container's environment is, as far as it is written down: its maps, then its own variables.
pub(crate) fn environment(container: &Value, objects: &[Object]) -> Vec<(String, String)> {
    let maps = items(&container["envFrom"]).filter_map(|from| {
        let name = from["configMapRef"]["name"].as_str()?;
        named(objects, "ConfigMap", name)
    });
    let shared = maps.flat_map(|map| map.at("/data").as_object().unwrap());
    let shared = shared.map(|(name, value)| (name.clone(), value.clone()));
    let own = items(&container["env"]).map(|variable| {
        let name = variable["name"].as_str().unwrap().to_owned();
        (name, variable["value"].clone())
    });
    let all = shared.chain(own);
    all.filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
        .collect()
}

#[tokio::test]
async fn every_setting_exists_and_its_value_is_read() {
    let mut seen = BTreeSet::new();
    for (set, objects) in render::everything().await {
        let pods = objects.iter().filter_map(Object::pod);
        for container in pods.flat_map(containers) {
            let variables = environment(container, objects);
            seen.extend(variables.iter().map(|(name, _)| name.clone()));
            check_settings(set, variables);
        }
    }
    assert!(seen.contains("METROPOLIS_ADMIN_LISTEN"), "{seen:?}");
}

/// An unknown name is a warning to a program, because Kubernetes adds some; here it is a mistake.
pub(crate) fn check_settings(place: &str, variables: Vec<(String, String)>) {
    let settings = Settings::read(variables);
    let settings = settings.unwrap_or_else(|error| panic!("{place}: {error}"));
    assert_eq!(settings.warnings, Vec::<String>::new(), "{place}");
}

#[test]
fn an_unknown_setting_is_noticed() {
    let variables = vec![("METROPOLIS_NATS_URI".to_owned(), "x".to_owned())];
    std::panic::catch_unwind(|| check_settings("here", variables)).unwrap_err();
}

#[tokio::test]
async fn every_metric_exists() {
    let mut seen = BTreeSet::new();
    for (_, objects) in render::everything().await {
        let texts = objects.iter().flat_map(|object| texts(&object.0));
        seen.extend(texts.flat_map(metrics).map(str::to_owned));
    }
    let prometheus = text("compose/prometheus.yml");
    seen.extend(metrics(&prometheus).map(str::to_owned));
    assert!(
        seen.contains("metropolis_task_saturation_ratio"),
        "{seen:?}"
    );
    let unknown: Vec<_> = seen.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "there are no such metrics: {unknown:?}");
}

/// Words that look like a metric of ours; names of objects hold dashes in the place of underscores.
fn metrics(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("metropolis_") || word.starts_with("http_server_"))
}

fn is_known(name: &str) -> bool {
    let endings = ["", "_bucket", "_count", "_sum"];
    endings.iter().any(|ending| {
        let metric = name.strip_suffix(ending);
        metric.is_some_and(|metric| METRICS.contains(&metric))
    })
}
