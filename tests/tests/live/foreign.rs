//! An operator with a client that is not ours: nats-py makes the bucket, writes it, is refused, and deletes.

use std::process::Output;

use metropolis::NatsOptions;
use metropolis_tests::{NatsServer, python, within};

use super::*;

/// What every script begins with. `kv` is the bucket.
const BEGIN: &str = r#"
import asyncio, sys
import nats
from nats.js.errors import KeyWrongLastSequenceError

async def main(url, key):
    nc = await nats.connect(url)
    js = nc.jetstream()
"#;
const END: &str = r#"
    await nc.close()

asyncio.run(main(*sys.argv[1:]))
"#;

/// With its defaults, by which nobody answers direct reads.
const MAKE_AND_PUT: &str = r#"
    kv = await js.create_key_value(bucket="metropolis")
    print(await kv.put(key, b'{"tasks": {"wait": {"concurrency": 7}}}'))
"#;
const UPDATE: &str = r#"
    kv = await js.key_value("metropolis")
    try:
        await kv.update(key, b'{"tasks": {"wait": {"concurrency": 8}}}', last=5)
        print("taken")
    except KeyWrongLastSequenceError:
        print(await kv.update(key, b'{"tasks": {"wait": {"concurrency": 9}}}', last=1))
"#;
const DELETE: &str = r#"
    kv = await js.key_value("metropolis")
    await kv.delete(key)
"#;
const PUT_AND_PURGE: &str = r#"
    kv = await js.key_value("metropolis")
    await kv.put(key, b'{"tasks": {"wait": {"concurrency": 5}}}')
    await kv.purge(key)
"#;

async fn run(url: &str, script: &str) -> String {
    let script = format!("{BEGIN}{script}{END}");
    let running = python::run_python(&script, [url, KEY]);
    let Output {
        status,
        stdout,
        stderr,
    } = within(3 * SOON, running).await;
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).trim().to_owned()
}

#[tokio::test]
async fn what_another_client_writes_is_followed_on_the_oldest_server_and_the_newest() {
    let versions = NatsServer::versions();
    let (oldest, newest) = (versions[0], versions[versions.len() - 1]);
    for version in [oldest, newest] {
        let server = NatsServer::of_version_with(version, JETSTREAM).await;
        follows_nats_py(&server.url()).await;
    }
}

async fn follows_nats_py(url: &str) {
    let connect = async |role| Bus::connect(NatsOptions::new(url, role)).await.unwrap();
    let operator = connect("witness").await;
    run(url, "    pass").await;
    let worker = Worker::new(connect("worker").await).serve::<wait>();
    let running = worker.with_service(SERVICE).start().await.unwrap();
    let has_places = async |count: u64| {
        eventually(SOON, async || {
            limits(&operator, running.instance(), "wait").await.0 == count
        })
        .await;
    };
    assert_eq!(run(url, MAKE_AND_PUT).await, "1");
    has_places(7).await;
    assert_eq!(run(url, UPDATE).await, "2");
    has_places(9).await;
    run(url, DELETE).await;
    has_places(64).await;
    run(url, PUT_AND_PURGE).await;
    is_applied_nothing(&operator, running.instance()).await;
    has_places(64).await;
    running.stop().await;
}

async fn is_applied_nothing(operator: &Bus, instance: &str) {
    eventually(SOON, async || {
        told(operator, instance, "applied", KEY).await.is_none()
    })
    .await;
}
