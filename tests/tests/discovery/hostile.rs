//! What services say can be anything. The gateway lives on, serves the others, and is ready.

use metropolis::service::ANNOUNCE;
use metropolis_tests::load::{during, outcome};

use super::*;

/// Things no service should say, each in the form of an announcement of `evil`, `1`.
fn lies() -> Vec<Vec<u8>> {
    let info = |endpoints: &str| {
        format!(
            "{{\"type\":\"io.nats.micro.v1.info_response\",\"name\":\"evil\",\"id\":\"1\",\"version\":\"1.0.0\",\
             \"metadata\":{{}},\"endpoints\":{endpoints}}}"
        )
    };
    let endpoint = |subject: &str| format!("{{\"name\":\"e\",\"subject\":{subject}}}");
    let many = |count: usize| format!("[{}]", vec![endpoint("\"evil.e\""); count].join(","));
    let texts = [
        String::new(),
        "null".to_owned(),
        "[".repeat(100_000),
        "{\"type\":".repeat(20_000),
        info("null"),
        info("{}"),
        info("[1,2,3]"),
        info(&format!("[{}]", endpoint("7"))),
        info(&format!("[{}]", endpoint("\"\\u0000\\r\\nPUB x 0\\r\\n\""))),
        info(&format!(
            "[{}]",
            endpoint(&format!("\"{}\"", "a.".repeat(50_000)))
        )),
        info(&format!(
            "[{}]",
            endpoint(&format!("\"{}\"", "x".repeat(200_000)))
        )),
        info(&format!("[{}]", endpoint("\"evil.*.>\""))),
        // With a queue and metadata of everything but texts.
        info(
            "[{\"name\":\"e\",\"subject\":\"evil.e\",\"queue_group\":[[]],\"metadata\":{\"metropolis.http\":{}}}]",
        ),
        info(
            "[{\"name\":\"e\",\"subject\":\"evil.e\",\"metadata\":{\"metropolis.http\":\"GET /../../etc\"}}]",
        ),
        info(
            "[{\"name\":\"e\",\"subject\":\"evil.e\",\"metadata\":{\"metropolis.timeout-ms\":\"1e999\"}}]",
        ),
        info(&many(5_000)),
        info(&many(25_000)),
        info("[]").replace("\"1.0.0\"", "{}"),
        info("[]").replace("evil", "\\ud800"),
    ];
    let bytes = [vec![0xff; 1000], b"{\"type\":\"\xff\"}".to_vec()];
    texts
        .into_iter()
        .map(String::into_bytes)
        .chain(bytes)
        .collect()
}

/// Says everything at once.
async fn lie(bus: &Bus) {
    for (at, lie) in lies().into_iter().enumerate() {
        let id = if at % 2 == 0 { "1" } else { "2" };
        publish(bus, format!("{ANNOUNCE}.evil.{id}"), lie).await;
    }
    for subject in ["evil.1", "a.b", "evil.%00"] {
        publish(bus, format!("{ANNOUNCE}.{subject}"), "x").await;
        publish(bus, format!("metropolis.leave.{subject}"), "x").await;
    }
}

#[tokio::test]
async fn no_announcement_and_no_answer_does_harm() {
    let network = network(&["good.>", "later.>"]).await;
    let bus = network.connect(WITNESS).await;
    let evil = network.connect(WITNESS).await;
    let _good = Responder::start(&bus, "good", [echo("good")]).await;
    // Answers to every question with each of the lies.
    let mut questions = evil.subscribe("$SRV.*", None, 256).await.unwrap();
    let answering = evil.clone();
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            for lie in lies() {
                publish(&answering, question.reply.clone().unwrap().to_string(), lie).await;
            }
        }
    });
    let gateway = gateway(&network, Duration::from_millis(300)).await;
    let address = gateway.address();
    lie(&evil).await;
    answers(address, "POST", "/good/echo", 200).await;
    let later = Responder::start(&bus, "later", [echo("later")]).await;
    answers(address, "POST", "/later/echo", 200).await;
    later.leave().await;
    answers(address, "POST", "/later/echo", 404).await;
    let reasons = listed(address).await["quarantined"].to_string();
    assert!(
        reasons.len() < 64 * 1024,
        "{} bytes of reasons",
        reasons.len()
    );
    answers(address, "POST", "/good/echo", 200).await;
}

#[tokio::test]
async fn a_million_endpoints_in_one_announcement_or_in_many_do_no_harm() {
    const MANY: usize = 200;
    let users = [("gateway", printed(&["good.>", "later.>"]))];
    let network = Network::start_with("max_payload: 64MB", users).await;
    let bus = network.connect(WITNESS).await;
    let evil = network.connect(WITNESS).await;
    let gateway = gateway(&network, NEVER).await;
    let address = gateway.address();
    let _good = Responder::start(&bus, "good", [echo("good")]).await;
    answers(address, "POST", "/good/echo", 200).await;
    let info = |name: &str, count: usize| {
        let endpoint =
            |number: usize| format!("{{\"name\":\"e\",\"subject\":\"{name}.{number}\"}}");
        let endpoints: Vec<String> = (0..count).map(endpoint).collect();
        format!(
            "{{\"type\":\"io.nats.micro.v1.info_response\",\"name\":\"{name}\",\"id\":\"x\",\"version\":\"1.0.0\",\
             \"endpoints\":[{}]}}",
            endpoints.join(",")
        )
    };
    publish(&evil, format!("{ANNOUNCE}.evil.x"), info("evil", 1_000_000)).await;
    for number in 0..MANY {
        let name = format!("e{number}");
        let part = info(&name, 1_000_000 / MANY);
        publish(&evil, format!("{ANNOUNCE}.{name}.x"), part).await;
    }
    // Whoever joins behind them is heard, and whoever was there is served.
    let _later = Responder::start(&bus, "later", [echo("later")]).await;
    answers(address, "POST", "/later/echo", 200).await;
    answers(address, "POST", "/good/echo", 200).await;
}

#[tokio::test]
async fn a_thousand_instances_that_flap_hold_up_nobody() {
    const INSTANCES: usize = 1000;
    let network = network(&["good.>", "later.>"]).await;
    let bus = network.connect(WITNESS).await;
    let evil = network.connect(WITNESS).await;
    let gateway = gateway(&network, NEVER).await;
    let address = gateway.address();
    let _good = Responder::start(&bus, "good", [echo("good")]).await;
    answers(address, "POST", "/good/echo", 200).await;
    let info = |number: usize| {
        json!({ "type": "io.nats.micro.v1.info_response", "name": format!("flap{number}"), "id": "x", "version": "1.0.0",
                "endpoints": [{ "name": "e", "subject": format!("flap{number}.e") }] })
        .to_string()
    };
    let flapping = async {
        for _ in 0..3 {
            for number in 0..INSTANCES {
                publish(&evil, format!("{ANNOUNCE}.flap{number}.x"), info(number)).await;
            }
            for number in 0..INSTANCES {
                publish(&evil, format!("metropolis.leave.flap{number}.x"), "").await;
            }
        }
        // Somebody joins in the midst of it, and is heard.
        let later = Responder::start(&bus, "later", [echo("later")]).await;
        answers(address, "POST", "/later/echo", 200).await;
        later
    };
    let connect = async || {
        HttpClient::try_connect(address)
            .await
            .map_err(|error| error.to_string())
    };
    let request = async |client: &mut HttpClient| {
        outcome(client.try_send("POST", "/good/echo", &[JSON], "{}").await)
    };
    let (_later, tally) = during(flapping, 2, connect, request).await;
    assert_eq!(tally.not_ok(), 0, "{tally:?}");
    assert!(tally.ok > 0, "{tally:?}");
}
