//! The page about configuration: its commands are carried out in their order, and what it says of them is what is seen.

use std::net::SocketAddr;

use metropolis::Setting;
use metropolis::live::{CONCURRENCY_FACTOR, CONCURRENCY_MAX};
use metropolis::log::FILTER_MAX;
use metropolis_tests::network::{self, examples};
use metropolis_tests::process::address_in;
use metropolis_tests::{HttpClient, Process};

use super::*;

const PAGE: &str = include_str!("../../../docs/live.md");

/// The block of a language that has these words in it.
fn block(language: &str, words: &str) -> &'static str {
    let opening = format!("```{language}\n");
    let blocks = PAGE.split(opening.as_str()).skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    let found = blocks.find(|block| block.contains(words));
    found.unwrap_or_else(|| panic!("the page has no {language} with {words}"))
}

/// The documents that the commands of a block put, each with its key; `None` deletes.
fn puts(block: &'static str) -> Vec<(&'static str, Option<&'static str>)> {
    let put = |line: &'static str| {
        let mut words = line.splitn(6, ' ');
        let words: [&str; 5] = std::array::from_fn(|_| words.next().unwrap());
        match words {
            ["nats", "kv", "put", "metropolis", key] => {
                let document = line.split('\'').nth(1).unwrap();
                Some((key, Some(document)))
            }
            ["nats", "kv", "del", "metropolis", key] => Some((key, None)),
            ["nats", "kv", "add", "metropolis", _] => None,
            other => panic!("what does {other:?} do?"),
        }
    };
    block.lines().filter_map(put).collect()
}

async fn carry_out(bucket: &Bucket, (key, document): (&str, Option<&str>)) {
    match document {
        Some(document) => {
            bucket.put(key, document).await;
        }
        None => bucket.delete(key).await,
    }
}

async fn says_lines(process: &Process, lines: &[&str]) {
    for line in lines {
        process.wait_for_line(|said| said.contains(line)).await;
    }
}

async fn hello_worker(network: &Network) -> (Process, SocketAddr) {
    let launch = Process::example("hello-worker")
        .env("METROPOLIS_NATS_URL", network.url("worker"))
        .env("METROPOLIS_LOG_FORMAT", "text")
        .env("METROPOLIS_ADMIN_LISTEN", "127.0.0.1:0");
    let process = launch.start().await;
    let line = process.wait_for_line(|line| line.contains("health on"));
    let address = address_in(&line.await).unwrap();
    (process, address)
}

/// The value of a metric of the task `reverse`.
async fn metric(address: SocketAddr, name: &str) -> Option<f64> {
    let mut client = HttpClient::connect(address).await;
    let metrics = client.send("GET", "/metrics", &[], "").await.text();
    let series = format!("{name}{{task=\"reverse\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
    line?.parse().ok()
}

#[tokio::test]
async fn the_commands_about_a_service_do_and_show_what_the_page_says() {
    let worker = ("worker", examples::hello_worker().to_string());
    let scene = Scene::with_users([worker]).await;
    let (worker, address) = hello_worker(&scene.network).await;
    says_lines(&worker, &["the worker serves"]).await;
    let said: Vec<&str> = block("text", "a task is resumed").lines().collect();
    let figures = async || {
        (
            metric(address, "metropolis_task_concurrency").await,
            metric(address, "metropolis_task_paused").await,
        )
    };
    let commands = puts(block("sh", "kv add"));
    assert_eq!(commands.len(), 3);
    for ((command, said), wanted) in commands
        .into_iter()
        .zip([&said[..2], &said[2..4], &said[4..]])
        .zip([(10.0, 0.0), (256.0, 1.0), (256.0, 0.0)])
    {
        carry_out(&scene.bucket, command).await;
        says_lines(&worker, said).await;
        let wanted = (Some(wanted.0), Some(wanted.1));
        eventually(SOON, async || figures().await == wanted).await;
    }
    let bad = PAGE
        .split('`')
        .find(|code| code.contains("concurency"))
        .unwrap();
    scene.bucket.put("service.metropolis-examples", bad).await;
    says_lines(&worker, &[block("text", "is refused").trim_end()]).await;

    let document = block("json", "foo.who.get");
    scene
        .bucket
        .put("service.metropolis-examples", document)
        .await;
    let last = ["a task is paused task=\"who\" revision=\"5\" old=false new=true"];
    says_lines(&worker, &last).await;
    let wanted = (Some(10.0), Some(0.0));
    eventually(SOON, async || figures().await == wanted).await;
}

#[tokio::test]
async fn the_command_about_a_gateway_and_its_file_do_what_the_page_says() {
    let permissions = network::printed(["--subject", "users.>"]).await;
    let scene = Scene::with_users([("gateway", permissions)]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, "").unwrap();
    let gateway = Process::example("metropolis-gateway")
        .args(["--log-format", "text", "--listen", "127.0.0.1:0"])
        .args(["--nats-url", &scene.network.url("gateway"), "--config"])
        .arg(&file)
        .start()
        .await;
    let line = gateway.wait_for_line(|line| line.contains("listening on"));
    let address = address_in(&line.await).unwrap();

    std::fs::write(&file, block("toml", "[[route]]")).unwrap();
    gateway.signal("HUP").await;
    let said: Vec<&str> = block("text", "was read again").lines().collect();
    says_lines(&gateway, &said).await;

    for command in puts(block("sh", "body_max")) {
        carry_out(&scene.bucket, command).await;
    }
    let shown = PAGE
        .split('`')
        .find(|code| code.starts_with("\"configuration\""));
    eventually(SOON, async || {
        let mut client = HttpClient::connect(address).await;
        let listed = client.send("GET", "/_routes", &[], "").await.text();
        listed.contains(shown.unwrap())
    })
    .await;
    // What the bucket says of the log wins over the file.
    scene.bucket.put("gateway", r#"{"log": "error"}"#).await;
    let said = ["the filter of the log changes old=\"debug\" new=\"error\""];
    says_lines(&gateway, &said).await;
}

/// As on the page, where it is a documentation test.
#[derive(Deserialize, JsonSchema, Setting)]
#[setting(key = "limits")]
#[serde(deny_unknown_fields)]
struct Limits {
    items_per_order: u32,
}

fn orders(bus: Bus) -> Worker {
    let own = Limits {
        items_per_order: 20,
    };
    let worker = Worker::new(bus).serve::<wait>().with_service("orders");
    worker.follow(own)
}

#[tokio::test]
async fn the_command_about_a_setting_changes_it() {
    let scene = Scene::start(orders).await;
    let running = orders(scene.worker_bus().await).start().await.unwrap();
    let items = || running.setting::<Limits>().unwrap().items_per_order;
    assert_eq!(items(), 20);
    for command in puts(block("sh", "setting.orders.limits")) {
        carry_out(&scene.bucket, command).await;
    }
    eventually(SOON, async || items() == 50).await;
    running.stop().await;
}

#[test]
fn permissions_and_bounds_are_those_of_the_page() {
    let worker = examples::hello_worker();
    let settings = orders(Bus::embedded()).permissions().unwrap();
    let gateway = metropolis_gateway::Gateway::new(Bus::embedded());
    let gateway = gateway.permissions(&[]).unwrap();
    let ask = "$JS.API.STREAM.MSG.GET.KV_metropolis";
    for (lines, subject) in [
        (&worker.subscribe, "$KV.metropolis.*.metropolis-examples"),
        (&settings.subscribe, "$KV.metropolis.*.orders.limits"),
        (&gateway.subscribe, "$KV.metropolis.*"),
        (&worker.publish, ask),
        (&gateway.publish, ask),
    ] {
        assert!(lines.iter().any(|line| line == subject), "{subject}");
        assert!(PAGE.contains(&format!("`{subject}`")), "{subject}");
    }
    for bound in [
        format!(
            "1 to {CONCURRENCY_FACTOR} times what the annotation says, {CONCURRENCY_MAX} at most"
        ),
        format!("{FILTER_MAX} bytes at most"),
    ] {
        assert!(PAGE.contains(&bound), "{bound}");
    }
}
