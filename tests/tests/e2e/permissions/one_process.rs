//! The example `caller`, worker and gateway on one connection, under what its two parts print together.

use metropolis_tests::network::examples;

use super::gateway::{Request, comes, console_hears, listening};
use super::*;

const PALINDROME: Job = Job {
    service: "metropolis-examples",
    task: ["palindrome.get", r#"{"data":"anna"}"#, "true"],
    called: ["foo.bar", "\"anna\""],
};

const LARGE: Request = ("POST", "/foo/bar", r#"{"data":"anna"}"#);
const REQUEST: Request = ("GET", "/palindrome?data=anna", "");

/// Everything such a process does; the first thing that does not work.
async fn serves(block: &str) -> Result<(), String> {
    let network = Network::start_with(JETSTREAM, [("gateway", block)]).await;
    let mut witness = Witness::start(&network, PALINDROME).await;
    let bucket = Bucket::create(witness.bus(), "metropolis").await;
    let launch = Process::example("caller")
        .env("METROPOLIS_NATS_URL", network.url("gateway"))
        .env("METROPOLIS_CONNECT_TIMEOUT", "5s")
        .env("METROPOLIS_LISTEN", "127.0.0.1:0");
    let (mut process, address) = listening(launch).await?;
    comes(address, ("GET", "/readyz", ""), 200).await?;
    comes(address, REQUEST, 200).await?;
    console_hears(address, PALINDROME.service).await?;
    let instance = witness.announced().await?;
    witness.sees(&instance).await?;
    witness.steers(&bucket, &instance).await?;
    bucket.put("gateway", r#"{"body_max": 1}"#).await;
    comes(address, LARGE, 413).await?;
    process.signal("TERM").await;
    process.wait_exit(2 * SOON).await;
    witness.parted(&instance).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_blocks_together_are_enough_and_every_line_of_them_is_needed() {
    let text = examples::caller().to_string();
    let enough = serves(&text).await;
    assert_eq!(enough, Ok(()), "{text}");
    each_is_needed(&text, (1 + 1 + 9 + 1 + 2) + (3 + 4 + 1) + 1, serves).await;
}
