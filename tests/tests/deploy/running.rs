//! The configuration at work, as far as that goes without a cluster: real servers, gateway and worker as they would
//! start in their pods, with their users, passwords and permissions. Only addresses and paths are other ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use metropolis_tests::process::address_in;
use metropolis_tests::{HttpClient, NatsServer, Process, eventually, within};
use serde_json::Value;
use tempfile::TempDir;

use crate::nats::{configuration, password_of, variables};
use crate::object::{Object, containers, named};
use crate::render;
use crate::vocabulary::environment;

/// How long it may take until a request is answered, counted from the start of everything.
const SERVED_WITHIN: Duration = Duration::from_secs(20);

/// How long JetStream may take to answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test]
async fn the_gateway_reaches_the_worker_with_the_users_of_the_base() {
    let objects = objects_of("base").await;
    let nats = server("nats.conf", objects, "metropolis-nats-0", "").await;
    serves(objects, &nats.url(), &nats.url()).await;
}

#[tokio::test]
async fn leaf_nodes_carry_requests_and_questions_to_jetstream() {
    let objects = objects_of("overlays/leaf").await;
    let cluster = server("nats.conf", objects, "metropolis-nats-0", "").await;
    let password = password_of("leaf");
    let leaf_url = format!(
        "nats-leaf://leaf:{password}@{}",
        leafnodes_of(&cluster).await
    );
    let one = server("leaf.conf", objects, "metropolis-nats-leaf-a", &leaf_url).await;
    let other = server("leaf.conf", objects, "metropolis-nats-leaf-b", &leaf_url).await;
    serves(objects, &one.url(), &other.url()).await;
    let info = jetstream_info(&one).await;
    assert_eq!(
        info["type"],
        "io.nats.jetstream.api.v1.account_info_response"
    );
    assert!(info["error"].is_null(), "{info}");
}

/// Where a server lets leaf nodes in, which it says in its log alone.
async fn leafnodes_of(server: &NatsServer) -> SocketAddr {
    let mut address = None;
    let is_logged = eventually(ANSWERED_WITHIN, async || {
        let log = server.log();
        let line = log
            .lines()
            .find(|line| line.contains("Listening for leafnode connections"));
        address = line.and_then(address_in);
        address.is_some()
    });
    is_logged.await;
    address.unwrap()
}

/// What JetStream tells an operator of the account, who asks one of the leaves.
#[expect(
    clippy::disallowed_methods,
    reason = "it leaks when nobody answers, and then this test ends"
)]
async fn jetstream_info(leaf: &NatsServer) -> Value {
    let (user, password) = ("operator".to_owned(), password_of("operator"));
    let options = async_nats::ConnectOptions::with_user_and_password(user, password);
    let client = options.connect(leaf.url()).await.unwrap();
    let answer = client.request("$JS.API.INFO", "".into());
    let answer = within(ANSWERED_WITHIN, answer).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

async fn objects_of(folder: &str) -> &'static [Object] {
    let mut ways = render::ways().await.iter();
    let rendered = ways.find(|rendered| rendered.way.folder == folder);
    &rendered.unwrap().kustomize
}

/// Starts a server with one of the rendered files, alone and on ports of its own.
async fn server(main: &str, objects: &[Object], pod: &str, leaf_url: &str) -> NatsServer {
    let files = configuration(objects);
    let mut variables = variables(&files, leaf_url);
    variables.insert("POD_NAME".to_owned(), pod.to_owned());
    let cluster = files["nats.conf"].find("cluster {").unwrap()
        ..files["nats.conf"].find("accounts {").unwrap();
    let cluster = files["nats.conf"][cluster].to_owned();
    let here = |text: &str| {
        text.replace(&cluster, "")
            .replace("http_port: 8222", "http_port: -1")
            .replace("port: 7422", "listen: \"127.0.0.1:-1\"")
            .replace("/run/nats/", "")
            .replace("\"/data\"", "data")
    };
    let mut here: BTreeMap<&str, String> = files
        .iter()
        .map(|(name, text)| (name.as_str(), here(text)))
        .collect();
    let main = here[main].clone();
    here.insert("nats.conf", main);
    let here: Vec<_> = here
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    NatsServer::start_from(&here, variables).await
}

/// Starts gateway and worker, each on its server, and has a request answered; then both must be ready and end well.
async fn serves(objects: &[Object], gateway_url: &str, worker_url: &str) {
    let worker = Running::start("metropolis-hello", "hello-worker", objects, worker_url).await;
    let gateway = Running::start(
        "metropolis-gateway",
        "metropolis-gateway",
        objects,
        gateway_url,
    )
    .await;
    let line = gateway
        .process
        .wait_for_line(|line| line.contains("listening on"))
        .await;
    let public = address_in(&line).unwrap();
    eventually(SERVED_WITHIN, async || {
        status(public, "/foo/who").await == 200
    })
    .await;
    for running in [&worker, &gateway] {
        for path in &running.probes {
            eventually(SERVED_WITHIN, async || {
                status(running.admin, path).await == 200
            })
            .await;
        }
    }
    for mut running in [gateway, worker] {
        running.process.signal("TERM").await;
        assert!(running.process.wait_exit(SERVED_WITHIN).await.success());
    }
}

async fn status(address: SocketAddr, path: &str) -> u16 {
    let mut client = HttpClient::connect(address).await;
    client.send("GET", path, &[], "").await.status
}

/// A program that was started as its pod says.
struct Running {
    process: Process,
    admin: SocketAddr,
    /// Where its pod is probed.
    probes: Vec<String>,
    _password: TempDir,
}

impl Running {
    async fn start(deployment: &str, program: &str, objects: &[Object], url: &str) -> Self {
        let pod = named(objects, "Deployment", deployment);
        let container = &containers(pod.unwrap().pod().unwrap())[0];
        let mut variables: BTreeMap<_, _> = environment(container, objects).into_iter().collect();
        let password = password_file(&variables["METROPOLIS_NATS_USER"]);
        let file = password.path().join("password");
        for (name, value) in [
            ("METROPOLIS_NATS_URL", url),
            ("METROPOLIS_LISTEN", "127.0.0.1:0"),
            ("METROPOLIS_ADMIN_LISTEN", "127.0.0.1:0"),
            ("METROPOLIS_NATS_PASSWORD_FILE", file.to_str().unwrap()),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        let mut launch = Process::example(program);
        for (name, value) in variables {
            launch = launch.env(name, value);
        }
        let process = launch.start().await;
        let is_admin = |line: &str| line.contains("health on") || line.contains("administrative");
        let admin = address_in(&process.wait_for_line(is_admin).await).unwrap();
        let probes = ["livenessProbe", "readinessProbe"];
        let path = |probe: &str| {
            container[probe]["httpGet"]["path"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        Self {
            process,
            admin,
            probes: probes.map(path).to_vec(),
            _password: password,
        }
    }
}

/// What the volume with the credentials of a user holds.
fn password_file(user: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("password"), password_of(user)).unwrap();
    dir
}
