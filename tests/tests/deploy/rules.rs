//! What every pod, and everything around it, has to keep to.

use std::time::Duration;

use metropolis::Settings;
use serde_json::Value;

use crate::object::{Object, containers, items, named, of_kind, selects, texts};
use crate::render;
use crate::vocabulary::environment;

/// What lies between a pod's own end and the moment it is killed, at least.
const SPARE: Duration = Duration::from_secs(5);

/// Runs a rule on every object of every set, and says everything that breaks it.
async fn rule(name: &str, check: impl Fn(&Object, &[Object]) -> Vec<String>) {
    let mut broken = Vec::new();
    for (set, objects) in render::everything().await {
        for object in objects {
            let problems = check(object, objects);
            let title = |problem| format!("{set}: {}: {problem}", object.title());
            broken.extend(problems.into_iter().map(title));
        }
    }
    assert!(broken.is_empty(), "{name}\n{}", broken.join("\n"));
}

/// The problems whose condition does not hold.
fn unless<const N: usize>(conditions: [(bool, &str); N]) -> Vec<String> {
    let broken = conditions.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, problem)| problem.to_owned()).collect()
}

#[tokio::test]
async fn pods_have_no_privileges() {
    rule("pods", |object, _| {
        let Some(pod) = object.pod() else {
            return vec![];
        };
        let spec = &pod["spec"];
        let context = &spec["securityContext"];
        unless([
            (spec["enableServiceLinks"] == false, "has service links"),
            (
                spec["automountServiceAccountToken"] == false,
                "may use the API",
            ),
            (spec["hostNetwork"].is_null(), "uses the node's network"),
            (spec["hostPID"].is_null(), "sees the node's processes"),
            (
                items(&spec["volumes"]).all(|volume| volume["hostPath"].is_null()),
                "reads the node's files",
            ),
            (context["runAsNonRoot"] == true, "may be root"),
            (context["runAsUser"].as_u64() > Some(0), "has no user"),
            (
                context["seccompProfile"]["type"] == "RuntimeDefault",
                "may call everything",
            ),
        ])
    })
    .await;
}

#[tokio::test]
async fn containers_have_no_privileges_and_are_bounded_probed_and_pinned() {
    rule("containers", |object, _| {
        let pods = object.pod().into_iter().flat_map(containers);
        pods.flat_map(container_problems).collect()
    })
    .await;
}

fn container_problems(container: &Value) -> Vec<String> {
    let context = &container["securityContext"];
    let (requests, limits) = (
        &container["resources"]["requests"],
        &container["resources"]["limits"],
    );
    unless([
        (
            context["allowPrivilegeEscalation"] == false,
            "may gain privileges",
        ),
        (
            context["readOnlyRootFilesystem"] == true,
            "may write to its image",
        ),
        (
            context["capabilities"]["drop"][0] == "ALL",
            "keeps capabilities",
        ),
        (
            context["capabilities"]["add"].is_null(),
            "adds capabilities",
        ),
        (requests["cpu"].is_string(), "asks for no CPU"),
        (requests["memory"].is_string(), "asks for no memory"),
        (limits["memory"].is_string(), "has no limit of memory"),
        (
            container["livenessProbe"].is_object(),
            "is not asked whether it lives",
        ),
        (
            container["readinessProbe"].is_object(),
            "is not asked whether it is ready",
        ),
        (is_pinned(&container["image"]), "has no pinned image"),
    ])
}

fn is_pinned(image: &Value) -> bool {
    let image = image.as_str().unwrap();
    let name = image.rsplit('/').next().unwrap();
    match name.split_once(':') {
        Some((_, tag)) => !tag.is_empty() && tag != "latest",
        None => false,
    }
}

#[tokio::test]
async fn gateways_and_workers_answer_probes_where_they_are_asked() {
    rule("probes", |object, objects| {
        let Some((container, variables)) = ours(object, objects) else {
            return vec![];
        };
        let settings = Settings::read(variables).unwrap();
        let admin = settings.admin_listen.map(|address| address.port());
        let port_of = |probe: &str| {
            let name = &container[probe]["httpGet"]["port"];
            let mut ports = items(&container["ports"]);
            let port = ports.find(|port| &port["name"] == name)?;
            u16::try_from(port["containerPort"].as_u64()?).ok()
        };
        let path_of = |probe: &str| container[probe]["httpGet"]["path"].clone();
        unless([
            (
                path_of("livenessProbe") == "/healthz",
                "has another path for life",
            ),
            (
                path_of("readinessProbe") == "/readyz",
                "has another path for readiness",
            ),
            (admin.is_some(), "does not listen for probes"),
            (
                port_of("livenessProbe") == admin,
                "is asked at another port whether it lives",
            ),
            (
                port_of("readinessProbe") == admin,
                "is asked at another port whether it is ready",
            ),
        ])
    })
    .await;
}

#[tokio::test]
async fn nothing_is_killed_before_it_has_finished() {
    rule("grace", |object, objects| {
        let Some((container, variables)) = ours(object, objects) else {
            return vec![];
        };
        let settings = Settings::read(variables).unwrap();
        let sleep = container.pointer("/lifecycle/preStop/sleep/seconds");
        let sleep = Duration::from_secs(sleep.and_then(Value::as_u64).unwrap_or(0));
        let grace = object.at("/spec/template/spec/terminationGracePeriodSeconds");
        let grace = Duration::from_secs(grace.as_u64().unwrap());
        let is_gateway = object.name().ends_with("-gateway");
        unless([
            (
                grace >= sleep + settings.stop_timeout + SPARE,
                "is killed too early",
            ),
            (
                !is_gateway || !sleep.is_zero(),
                "stops before load balancers know",
            ),
        ])
    })
    .await;
}

/// The container of a gateway or a worker with its variables.
fn ours<'a>(object: &'a Object, objects: &[Object]) -> Option<(&'a Value, Vec<(String, String)>)> {
    let pod = object.pod()?;
    let component = pod["metadata"]["labels"]["app.kubernetes.io/component"].as_str()?;
    if !["gateway", "worker"].contains(&component) {
        return None;
    }
    let container = &containers(pod)[0];
    Some((container, environment(container, objects)))
}

#[tokio::test]
async fn deployments_survive_a_node_and_follow_the_load() {
    rule("deployments", |object, objects| {
        if object.kind() != "Deployment" {
            return vec![];
        }
        let spread = items(object.at("/spec/template/spec/topologySpreadConstraints"));
        let scalers: Vec<_> = objects
            .iter()
            .filter(|other| ["HorizontalPodAutoscaler", "ScaledObject"].contains(&other.kind()))
            .filter(|other| other.at("/spec/scaleTargetRef/name") == object.name())
            .collect();
        let least = |scaler: &&Object| {
            let least = [
                scaler.at("/spec/minReplicas"),
                scaler.at("/spec/minReplicaCount"),
            ];
            least.iter().any(|number| number.as_u64() >= Some(2))
        };
        unless([
            (
                object.at("/spec/replicas").is_null(),
                "undoes what the autoscaler did",
            ),
            (
                object.at("/spec/strategy/rollingUpdate/maxUnavailable") == 0,
                "updates with fewer pods",
            ),
            (spread.count() == 2, "is not spread over zones and nodes"),
            (scalers.len() == 1, "has none or several autoscalers"),
            (scalers.iter().all(least), "may come down to one pod"),
        ])
    })
    .await;
}

#[tokio::test]
async fn whatever_has_replicas_has_a_budget_of_disruptions() {
    rule("budgets", |object, objects| {
        if !["Deployment", "StatefulSet"].contains(&object.kind()) {
            return vec![];
        }
        let labels = object.at("/spec/template/metadata/labels");
        let budgets = of_kind(objects, "PodDisruptionBudget");
        let mut own = budgets.filter(|budget| selects(budget.at("/spec/selector"), labels));
        unless([(
            own.next().is_some() && own.next().is_none(),
            "has none or several budgets",
        )])
    })
    .await;
}

#[tokio::test]
async fn a_cluster_of_nats_has_jetstream_on_a_volume_and_stands_on_several_nodes() {
    for rendered in render::ways().await {
        for objects in [&rendered.kustomize, &rendered.helm] {
            let nats = of_kind(objects, "StatefulSet").next().unwrap();
            let mounts = texts(&containers(nats.pod().unwrap())[0]["volumeMounts"]);
            let claim = nats.at("/spec/volumeClaimTemplates/0");
            assert_eq!(nats.at("/spec/replicas"), 3);
            assert_eq!(nats.at("/spec/podManagementPolicy"), "Parallel");
            assert!(
                mounts.contains(&"/data") && mounts.contains(&"data"),
                "{mounts:?}"
            );
            assert_eq!(claim["metadata"]["name"], "data");
            let spread = items(nats.at("/spec/template/spec/topologySpreadConstraints"));
            let insists = |constraint: &&Value| constraint["whenUnsatisfiable"] == "DoNotSchedule";
            let insisted: Vec<_> = spread.filter(insists).collect();
            assert_eq!(insisted[0]["topologyKey"], "kubernetes.io/hostname");
        }
    }
}

#[tokio::test]
async fn keda_takes_the_place_of_the_workers_autoscaler_alone() {
    for rendered in render::ways().await {
        for objects in [&rendered.kustomize, &rendered.helm] {
            let names = |kind| {
                let mut names: Vec<_> = of_kind(objects, kind).map(Object::name).collect();
                names.sort_unstable();
                names
            };
            let (plain, by_keda) = match rendered.way.folder {
                "overlays/keda" => (vec!["metropolis-gateway"], vec!["metropolis-hello"]),
                _ => (vec!["metropolis-gateway", "metropolis-hello"], vec![]),
            };
            assert_eq!(names("HorizontalPodAutoscaler"), plain);
            assert_eq!(names("ScaledObject"), by_keda);
        }
    }
}

#[tokio::test]
async fn with_leaf_nodes_gateways_and_workers_speak_to_the_one_of_their_node() {
    for rendered in render::ways().await {
        for objects in [&rendered.kustomize, &rendered.helm] {
            let leaf = named(objects, "DaemonSet", "metropolis-nats-leaf");
            assert_eq!(leaf.is_some(), rendered.way.folder == "overlays/leaf");
            let host = match named(objects, "Service", "metropolis-nats-leaf") {
                Some(service) => {
                    assert_eq!(service.at("/spec/internalTrafficPolicy"), "Local");
                    "metropolis-nats-leaf"
                }
                None => "metropolis-nats",
            };
            let mut clients = objects.iter().filter_map(|object| ours(object, objects));
            let url = Some(format!("nats://{host}:4222"));
            assert!(
                clients.all(|(_, variables)| Settings::read(variables).unwrap().nats_url == url)
            );
        }
    }
}
