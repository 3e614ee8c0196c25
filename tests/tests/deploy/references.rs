//! What objects refer to is there: other objects, their keys, ports and labels. No schema sees that.

use serde_json::Value;

use crate::object::{Object, containers, items, named, of_kind, selects};
use crate::render;

/// Secrets that are not part of what is rendered: `tests/deploy/values` names them.
const OUTSIDE: [&str; 2] = ["our-passwords", "orders-database"];

/// Looks for what one object refers to.
struct Look<'a> {
    objects: &'a [Object],
    missing: Vec<String>,
}

#[tokio::test]
async fn everything_that_is_referred_to_is_there() {
    for (set, objects) in render::everything().await {
        for object in objects {
            let mut look = Look {
                objects,
                missing: Vec::new(),
            };
            look.at(object);
            let (title, missing) = (object.title(), look.missing);
            assert!(missing.is_empty(), "{set}: {title} refers to {missing:?}");
        }
    }
}

#[tokio::test]
async fn what_is_missing_is_noticed() {
    let objects = &render::ways().await[0].helm;
    for (gone, from) in [
        ("ConfigMap", "Deployment"),
        ("Service", "Ingress"),
        ("Deployment", "Service"),
    ] {
        let rest: Vec<Object> = objects
            .iter()
            .filter(|object| object.kind() != gone)
            .cloned()
            .collect();
        let mut look = Look {
            objects: &rest,
            missing: Vec::new(),
        };
        let referring = of_kind(&rest, from);
        referring.for_each(|object| look.at(object));
        assert!(!look.missing.is_empty(), "a {from} misses no {gone}");
    }
}

impl Look<'_> {
    fn at(&mut self, object: &Object) {
        if let Some(pod) = object.pod() {
            self.at_pod(object, pod);
        }
        match object.kind() {
            "Service" => self.at_service(object),
            "Ingress" => self.at_ingress(object),
            "HorizontalPodAutoscaler" | "ScaledObject" => {
                let name = object.at("/spec/scaleTargetRef/name");
                self.need(self.find("Deployment", name).is_some(), name);
            }
            "PodDisruptionBudget" => self.need_pods(object.at("/spec/selector")),
            "NetworkPolicy" => self.at_policy(object),
            "ServiceMonitor" => self.at_monitor(object),
            _ => {}
        }
    }

    fn at_pod(&mut self, object: &Object, pod: &Value) {
        let labels = &pod["metadata"]["labels"];
        self.need(selects(object.at("/spec/selector"), labels), labels);
        for constraint in items(&pod["spec"]["topologySpreadConstraints"]) {
            self.need(selects(&constraint["labelSelector"], labels), constraint);
        }
        for container in containers(pod) {
            self.at_container(pod, container);
        }
        for volume in items(&pod["spec"]["volumes"]) {
            self.need_keys(
                "ConfigMap",
                &volume["configMap"]["name"],
                &volume["configMap"]["items"],
            );
            self.need_keys(
                "Secret",
                &volume["secret"]["secretName"],
                &volume["secret"]["items"],
            );
        }
        let service = object.at("/spec/serviceName");
        self.need(
            service.is_null() || self.find("Service", service).is_some(),
            service,
        );
        let claims = items(object.at("/spec/volumeClaimTemplates"));
        let claims: Vec<_> = claims.map(|claim| &claim["metadata"]["name"]).collect();
        let volumes = items(&pod["spec"]["volumes"]).map(|volume| &volume["name"]);
        let volumes: Vec<_> = volumes.chain(claims).collect();
        let mounts = containers(pod)
            .iter()
            .flat_map(|container| items(&container["volumeMounts"]));
        for mount in mounts {
            self.need(volumes.contains(&&mount["name"]), mount);
        }
    }

    fn at_container(&mut self, pod: &Value, container: &Value) {
        for from in items(&container["envFrom"]) {
            self.need_keys("ConfigMap", &from["configMapRef"]["name"], &Value::Null);
            self.need_keys("Secret", &from["secretRef"]["name"], &Value::Null);
        }
        for variable in items(&container["env"]) {
            let from = &variable["valueFrom"]["secretKeyRef"];
            self.need_keys("Secret", &from["name"], &Value::from(vec![from.clone()]));
        }
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            for kind in ["httpGet", "tcpSocket"] {
                let port = &container[probe][kind]["port"];
                self.need(port.is_null() || has_port(pod, port), port);
            }
        }
    }

    /// An object of this name with the `key` of each of these items; of no name, nothing.
    fn need_keys(&mut self, kind: &str, name: &Value, wanted: &Value) {
        if name.is_null() || OUTSIDE.iter().any(|outside| name == outside) {
            return;
        }
        let Some(object) = self.find(kind, name) else {
            return self.need(false, name);
        };
        let data = object.at("/data").clone();
        for item in items(wanted) {
            self.need(data.get(item["key"].as_str().unwrap()).is_some(), item);
        }
    }

    fn at_service(&mut self, service: &Object) {
        let selector = serde_json::json!({ "matchLabels": service.at("/spec/selector") });
        self.need_pods(&selector);
        for port in items(service.at("/spec/ports")) {
            let target = &port["targetPort"];
            let has = |pod: &&Value| target.is_u64() || has_port(pod, target);
            self.need(self.pods(&selector).iter().any(has), port);
        }
    }

    fn at_ingress(&mut self, ingress: &Object) {
        for rule in items(ingress.at("/spec/rules")) {
            for path in items(&rule["http"]["paths"]) {
                let backend = &path["backend"]["service"];
                let service = self.find("Service", &backend["name"]);
                let ports = service.map(|service| service.at("/spec/ports").clone());
                let ports = ports.unwrap_or_default();
                let has = items(&ports).any(|port| port["name"] == backend["port"]["name"]);
                self.need(has, backend);
            }
        }
    }

    fn at_policy(&mut self, policy: &Object) {
        self.need_pods(policy.at("/spec/podSelector"));
        let rules = items(policy.at("/spec/ingress")).chain(items(policy.at("/spec/egress")));
        for rule in rules {
            for peer in items(&rule["from"]).chain(items(&rule["to"])) {
                if !peer["podSelector"].is_null() {
                    self.need_pods(&peer["podSelector"]);
                }
            }
        }
    }

    fn at_monitor(&mut self, monitor: &Object) {
        let services = of_kind(self.objects, "Service");
        let services = services.filter(|service| {
            selects(monitor.at("/spec/selector"), service.at("/metadata/labels"))
        });
        let ports: Vec<_> = services
            .flat_map(|service| items(service.at("/spec/ports")))
            .collect();
        for endpoint in items(monitor.at("/spec/endpoints")) {
            let has = ports.iter().any(|port| port["name"] == endpoint["port"]);
            self.need(has, endpoint);
        }
    }

    fn need_pods(&mut self, selector: &Value) {
        self.need(!self.pods(selector).is_empty(), selector);
    }

    fn pods(&self, selector: &Value) -> Vec<&Value> {
        let pods = self.objects.iter().filter_map(Object::pod);
        pods.filter(|pod| selects(selector, &pod["metadata"]["labels"]))
            .collect()
    }

    fn find(&self, kind: &str, name: &Value) -> Option<&Object> {
        named(self.objects, kind, name.as_str()?)
    }

    fn need(&mut self, is_there: bool, what: &Value) {
        if !is_there {
            self.missing.push(what.to_string());
        }
    }
}

fn has_port(pod: &Value, name: &Value) -> bool {
    let ports = containers(pod)
        .iter()
        .flat_map(|container| items(&container["ports"]));
    ports.into_iter().any(|port| &port["name"] == name)
}
