//! The system on a laptop: the Compose file, and the files it mounts.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use metropolis::Settings;
use metropolis_tests::NatsServer;
use serde_json::Value;

use crate::object::items;
use crate::vocabulary::check_settings;
use crate::{deploy_dir, text, yaml};

const COMPOSE: &str = include_str!("schemas/compose.json");
const PROMETHEUS: &str = include_str!("schemas/prometheus.json");

fn problems(schema: &str, document: &Value) -> Vec<String> {
    let schema = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors = validator.iter_errors(document);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn compose() -> Value {
    yaml::documents(&text("compose.yaml")).remove(0)
}

#[test]
fn the_file_is_what_compose_takes() {
    assert_eq!(problems(COMPOSE, &compose()), Vec::<String>::new());
    let mut mistaken = compose();
    mistaken["services"]["gateway"]["prots"] = Value::from(vec!["8080"]);
    let problems = problems(COMPOSE, &mistaken);
    assert!(
        problems.iter().any(|problem| problem.contains("prots")),
        "{problems:?}"
    );
}

#[test]
fn it_has_a_bus_a_gateway_two_workers_prometheus_and_a_trace_viewer() {
    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    let names: Vec<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(names, ["gateway", "jaeger", "nats", "prometheus", "worker"]);
    assert_eq!(services["worker"]["deploy"]["replicas"], 2);
    for (name, service) in services {
        let image = service["image"].as_str().unwrap();
        let tag = image.rsplit_once(':').unwrap().1;
        assert!(tag.contains('.'), "{name} has no pinned image: {image}");
        // For one person: nobody on the same network may reach it.
        for port in items(&service["ports"]) {
            assert!(
                port.as_str().unwrap().starts_with("127.0.0.1:"),
                "{name}: {port}"
            );
        }
    }
}

#[test]
fn every_setting_exists_and_the_grace_is_longer_than_a_stop() {
    let compose = compose();
    for name in ["gateway", "worker"] {
        let service = &compose["services"][name];
        let variables = service["environment"].as_object().unwrap().iter();
        let variables: Vec<_> = variables
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        check_settings(name, variables.clone());
        let settings = Settings::read(variables).unwrap();
        let grace = service["stop_grace_period"].as_str().unwrap();
        let grace = Duration::from_secs(grace.strip_suffix('s').unwrap().parse().unwrap());
        assert!(
            grace >= settings.stop_timeout + Duration::from_secs(5),
            "{name}"
        );
        assert_eq!(settings.admin_listen.unwrap().port(), 8081);
        assert_eq!(settings.nats_url.unwrap(), "nats://nats:4222");
    }
}

#[test]
fn what_is_mounted_and_built_is_there() {
    let compose = compose();
    let dockerfile = text("Dockerfile");
    for service in compose["services"].as_object().unwrap().values() {
        for volume in items(&service["volumes"]) {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            let is_there = match source.starts_with('.') {
                true => deploy_dir().join(source).is_file(),
                false => compose["volumes"].get(source).is_some(),
            };
            assert!(is_there, "{volume}");
        }
        let Some(build) = service.get("build") else {
            continue;
        };
        let context = deploy_dir().join(build["context"].as_str().unwrap());
        assert!(
            context
                .join(build["dockerfile"].as_str().unwrap())
                .is_file()
        );
        let target = format!(" AS {}\n", build["target"].as_str().unwrap());
        assert!(dockerfile.contains(&target), "{target}");
    }
}

#[tokio::test]
async fn a_real_server_takes_its_configuration() {
    let config = deploy_dir().join("compose/nats.conf");
    NatsServer::check(&config, &BTreeMap::new()).await.unwrap();
}

#[test]
fn prometheus_asks_the_services_that_are_there_where_they_listen() {
    let config = yaml::documents(&text("compose/prometheus.yml")).remove(0);
    assert_eq!(problems(PROMETHEUS, &config), Vec::<String>::new());
    let mut mistaken = config.clone();
    mistaken["scrape_configs"][0]["dns_sd_config"] = Value::Null;
    assert!(!problems(PROMETHEUS, &mistaken).is_empty());
    let mut asked = Vec::new();
    for job in items(&config["scrape_configs"]) {
        let dns = &job["dns_sd_configs"][0];
        assert_eq!(dns["port"], 8081);
        asked.extend(items(&dns["names"]).map(|name| name.as_str().unwrap().to_owned()));
    }
    assert_eq!(asked, ["gateway", "worker"]);
    promtool_agrees(&deploy_dir().join("compose/prometheus.yml"));
}

/// Asks Prometheus' own tool as well where the machine has it; the schema above was asked in any case.
fn promtool_agrees(config: &Path) {
    match Command::new("promtool")
        .args(["check", "config"])
        .arg(config)
        .output()
    {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => {
            eprintln!("promtool is not on PATH; its configuration was checked by schema alone")
        }
    }
}
