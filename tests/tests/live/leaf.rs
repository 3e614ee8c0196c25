//! A worker on a leaf node, whose hub has the bucket: it follows, and the link bears it.

use metropolis::{NatsOptions, RunningWorker};
use metropolis_tests::NatsServer;
use metropolis_tests::process::address_in;

use super::*;

const HUB: &str = r#"
    jetstream { store_dir: "js" }
    leafnodes { listen: "127.0.0.1:-1", authorization { user: leaf, password: pass, account: A } }
    accounts { A { jetstream: enabled, users: [ { user: me, password: pass } ] } }
"#;

/// What the hub logs of a leaf node that comes, each time.
const LINKED: &str = "Leafnode connection created";

/// Questions to JetStream go up to the hub, as `deploy` has it; `jetstream` is the leaf's own.
fn leaf(hub: &str, jetstream: &str) -> String {
    format!(
        r#"
        {jetstream}
        default_js_domain {{ A: "" }}
        leafnodes {{ remotes: [ {{ url: "nats-leaf://leaf:pass@{hub}", account: A }} ] }}
        accounts {{ A {{ users: [ {{ user: me, password: pass }} ] }} }}
        "#
    )
}

/// Where the hub lets leaf nodes in, which it says in its log alone.
async fn leafnodes_of(hub: &NatsServer) -> String {
    let mut address = None;
    eventually(SOON, async || {
        let log = hub.log();
        let line = log
            .lines()
            .find(|line| line.contains("Listening for leafnode connections"));
        address = line.and_then(address_in);
        address.is_some()
    })
    .await;
    address.unwrap().to_string()
}

async fn connect(server: &NatsServer, role: &str) -> Bus {
    let url = format!("nats://me:pass@{}", server.address());
    Bus::connect(NatsOptions::new(url, role)).await.unwrap()
}

/// A hub, a leaf node with this of JetStream, and a worker on that.
struct Tree {
    hub: NatsServer,
    _leaf: NatsServer,
    operator: Bus,
    bucket: Bucket,
    worker: RunningWorker,
}

impl Tree {
    async fn start(jetstream: &str) -> Self {
        let hub = NatsServer::start_with(HUB).await;
        let operator = connect(&hub, "witness").await;
        let bucket = Bucket::create(&operator, "metropolis").await;
        let leaf = leaf(&leafnodes_of(&hub).await, jetstream);
        let leaf = NatsServer::start_with(&leaf).await;
        eventually(SOON, async || hub.log().contains(LINKED)).await;
        let worker = Worker::new(connect(&leaf, "worker").await).serve::<wait>();
        Self {
            operator,
            bucket,
            hub,
            _leaf: leaf,
            worker: worker.with_service(SERVICE).start().await.unwrap(),
        }
    }

    async fn places(&self) -> u64 {
        limits(&self.operator, self.worker.instance(), "wait")
            .await
            .0
    }

    /// The answer of the worker comes after whatever its leaf node has told the hub before.
    async fn has_one_link_still(&self) {
        self.places().await;
        let log = self.hub.log();
        assert_eq!(log.matches(LINKED).count(), 1, "{log}");
        assert!(!log.contains("Violation"), "{log}");
    }
}

#[tokio::test]
async fn a_worker_on_a_leaf_node_looks_often_and_does_not_cost_the_node_its_link() {
    let tree = Tree::start("").await;
    let document = r#"{"tasks": {"wait": {"concurrency": 7}}}"#;
    tree.bucket.put(KEY, document).await;
    // It looks every five seconds; but after half a minute where the first look came before the leaf node had its way to the
    // hub, because then there seems to be no bucket.
    eventually(4 * SOON, async || tree.places().await == 7).await;
    tree.has_one_link_still().await;
    tree.worker.stop().await;
}

/// Where the leaf node has JetStream too, the worker listens, which the hub must not mind.
#[tokio::test]
async fn a_worker_on_a_leaf_node_with_jetstream_does_not_cost_it_its_link() {
    let tree = Tree::start(r#"jetstream { store_dir: "js", domain: leaf }"#).await;
    tree.has_one_link_still().await;
    tree.worker.stop().await;
}
