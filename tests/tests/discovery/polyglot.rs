//! The example `polyglot`: a service in Rust and one in Python, each calling the other, behind one gateway.

use metropolis_tests::{Process, python};

use super::*;

#[tokio::test]
async fn rust_and_python_call_each_other_behind_one_gateway() {
    let network = binary::network(&["--subject", "text.>", "--subject", "words.>"]).await;
    let (_gateway, address) = binary::started(&network, &[]).await;
    let _rust = Process::example("polyglot")
        .env("METROPOLIS_NATS_URL", network.url("worker-polyglot"))
        .start()
        .await;
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/polyglot/service.py"
    );
    let mut python = Process::program(python::python().await)
        .args([script, &network.url(WITNESS)])
        .start()
        .await;
    python.wait_for_line(|line| line == "serving").await;
    // Both are known by what they announced: the next polling is a minute away.
    answers(address, "GET", "/greetings/ada", 200).await;
    let mut client = HttpClient::connect(address).await;
    eventually(SOON, async || {
        let body = r#"{"text":"to be or not"}"#;
        let report = client.send("POST", "/text/report", &[JSON], body).await;
        report.status == 200 && report.json::<Value>() == json!({ "words": 4, "letters": 9 })
    })
    .await;
    let greeting = client.send("GET", "/greetings/ada%20l", &[], "").await;
    assert_eq!(
        greeting.json::<Value>(),
        json!({ "greeting": "Hello ADA L" })
    );
    let counted = client
        .send("POST", "/words/count", &[JSON], r#"{"text":"a b"}"#)
        .await;
    assert_eq!(counted.json::<Value>(), json!({ "words": 2 }));
    let empty = client
        .send("POST", "/text/shout", &[JSON], r#"{"text":""}"#)
        .await;
    assert_eq!(
        (empty.status, &empty.json::<Value>()["code"]),
        (422, &json!("nothing_to_shout"))
    );

    python.signal("TERM").await;
    assert!(
        python.wait_exit(SOON).await.success(),
        "{}",
        python.output()
    );
    answers(address, "POST", "/words/count", 404).await;
    let alone = client
        .send("POST", "/text/report", &[JSON], r#"{"text":"a"}"#)
        .await;
    assert_eq!(alone.status, 503, "{}", alone.text());
}
