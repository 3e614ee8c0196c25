//! Services that are not served, and what is said about it.

use super::*;

/// Linked into this test, so what it has nobody on the bus can take.
#[metropolis::task(subject = "linked.task")]
async fn linked_task(input: Value) -> Value;

/// All that is linked in here is declared, so whoever prints their own permissions is a caller.
#[test]
fn a_process_that_serves_nothing_prints_what_a_caller_needs() {
    let permissions = metropolis::permissions().unwrap();
    assert_eq!(permissions.subscribe, ["_INBOX_client.>"]);
    assert_eq!(permissions.publish, ["linked.task"]);
    assert_eq!(permissions.responses, None);
}

#[tokio::test]
async fn every_mistake_has_its_reason_and_takes_nothing_from_others() {
    let network = network(&["first.{id}"]).await;
    let bus = network.connect(WITNESS).await;
    let gateway = gateway(&network, NEVER).await;
    let address = gateway.address();
    let first = Endpoint::new("first", "first.{id}").with("metropolis.http", "GET /first/{id}");
    let mut first = first.with("metropolis.subject", "first.{id}");
    first.json["subject"] = "first.*".into();
    first.subject = "first.*".to_owned();
    let _first = Responder::start(&bus, "first", [first]).await;
    answers(address, "GET", "/first/7", 200).await;

    let http = |name: &str, route: &str| {
        Endpoint::new(name, format!("{name}.x")).with("metropolis.http", route)
    };
    let zeros = "0".repeat(64);
    let cases = [
        (
            "reserved",
            Endpoint::new("e", "metropolis.x"),
            "endpoint `e`: the subject \"metropolis.x\" starts with `metropolis`, which is reserved",
        ),
        (
            "wild",
            Endpoint::new("e", "wild.*"),
            "endpoint `e`: the subject \"wild.*\" holds a wildcard; name it in the metadata: `metropolis.subject`",
        ),
        (
            "liar",
            Endpoint::new("e", "liar.a").with("metropolis.subject", "liar.b"),
            "endpoint `e`: it subscribes to \"liar.a\" and says that it is \"liar.b\"",
        ),
        (
            "own",
            http("own", "GET /healthz"),
            "the path of the route `GET /healthz` is the gateway's own",
        ),
        (
            "console",
            http("console", "GET /_console/x"),
            "the path of the route `GET /_console/x` is the gateway's own",
        ),
        (
            "shadow",
            http("shadow", "POST /linked/task"),
            "the route `POST /linked/task` belongs to the linked task `linked.task`",
        ),
        (
            "rival",
            http("rival", "GET /first/{other}"),
            "the route `GET /first/{other}` belongs to `first.{id}` of the service `first`",
        ),
        (
            "overlap",
            Endpoint::new("e", "first.me"),
            "some requests on `first.me` would also reach `first.{id}` of the service `first`",
        ),
        (
            "badroute",
            http("badroute", "FETCH /a"),
            "endpoint `badroute`: the route \"FETCH /a\" must start with GET, POST, PUT, PATCH or DELETE",
        ),
        (
            "slow",
            Endpoint::new("e", "slow.e").with("metropolis.timeout-ms", "-1"),
            "endpoint `e`: its timeout of \"-1\" milliseconds is none, or more than a day",
        ),
        (
            "hash",
            Endpoint::new("e", "hash.e").with("metropolis.contract", "x"),
            "endpoint `e`: its contract's hash is not 64 hexadecimal digits",
        ),
        (
            "nobody",
            Endpoint::new("e", "nobody.e").with("metropolis.contract", zeros.as_str()),
            "endpoint `e`: the contract was not fetched: nobody answers this subject",
        ),
    ];
    let mut responders = Vec::new();
    for (service, endpoint, expected) in cases {
        responders.push(Responder::start(&bus, service, [endpoint]).await);
        assert_eq!(reason(address, service).await, expected, "{service}");
    }
    let listed = listed(address).await;
    let services = listed["services"].as_array().unwrap();
    assert_eq!(services.len(), 1, "{listed:#}");
    answers(address, "GET", "/first/7", 200).await;
}

#[tokio::test]
async fn another_queue_would_run_a_request_twice() {
    let network = network(&["twice.>"]).await;
    let bus = network.connect(WITNESS).await;
    let gateway = gateway(&network, NEVER).await;
    let _one = Responder::start(&bus, "one", [Endpoint::new("e", "twice.e")]).await;
    answers(gateway.address(), "POST", "/twice/e", 200).await;
    let mut endpoint = Endpoint::new("e", "twice.e");
    endpoint.json["queue_group"] = "other".into();
    let _two = Responder::start(&bus, "two", [endpoint]).await;
    assert_eq!(
        reason(gateway.address(), "two").await,
        "it is in the queue `other` and `twice.e` of the service `one` in `q`, so both would run each request"
    );
}

#[tokio::test]
async fn a_service_that_is_set_right_is_served() {
    let network = network(&["mended.>"]).await;
    let bus = network.connect(WITNESS).await;
    let gateway = gateway(&network, NEVER).await;
    let wrong = Responder::start(&bus, "mended", [Endpoint::new("e", "mended.>")]).await;
    reason(gateway.address(), "mended").await;
    let _right = Responder::start(&bus, "mended", [echo("mended")]).await;
    answers(gateway.address(), "POST", "/mended/echo", 200).await;
    wrong.leave().await;
    eventually(SOON, async || {
        listed(gateway.address()).await["quarantined"] == json!([])
    })
    .await;
}

async fn quarantined(address: SocketAddr, service: &str) -> Value {
    reason(address, service).await;
    let listed = listed(address).await;
    let lines = listed["quarantined"].as_array().unwrap();
    let line = lines.iter().find(|line| line["service"] == service);
    line.unwrap().clone()
}

#[tokio::test]
async fn an_announcement_that_cannot_be_read_is_pinned_on_whoever_made_it() {
    let network = network(&["odd.>"]).await;
    let bus = network.connect(WITNESS).await;
    let gateway = gateway(&network, NEVER).await;
    let address = gateway.address();
    let announce = async |who: &str, text: String| {
        publish(
            &bus,
            format!("{}.{who}", metropolis::service::ANNOUNCE),
            text,
        )
        .await;
    };
    let info = |service: &str| {
        json!({ "type": "io.nats.micro.v1.info_response", "name": service, "id": "1", "version": "1.0.0",
                "endpoints": [{ "name": "e", "subject": "odd.e", "queue_group": "q" }] })
    };
    announce("odd.1", "what?".to_owned()).await;
    announce("large.1", "x".repeat(300_000)).await;
    announce("liar.1", info("odd").to_string()).await;
    announce("a%00.1", "what?".to_owned()).await;
    for (service, reason) in [
        (
            "odd",
            "its announcement is no answer to INFO: expected value at line 1 column 1",
        ),
        (
            "large",
            "its announcement has 300000 bytes; 262144 are read at most",
        ),
        ("liar", "its announcement is that of `odd` `1`"),
    ] {
        let line =
            json!({ "service": service, "version": null, "instances": ["1"], "reason": reason });
        assert_eq!(quarantined(address, service).await, line);
    }
    // One is set right, one leaves, and the third, whom nobody can have meant, was never there.
    let mut requests = bus.subscribe("odd.e", None, 16).await.unwrap();
    let answering = bus.clone();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            publish(&answering, request.reply.unwrap().to_string(), "1").await;
        }
    });
    announce("odd.1", info("odd").to_string()).await;
    answers(address, "POST", "/odd/e", 200).await;
    publish(&bus, format!("{}.large.1", metropolis::service::LEAVE), "").await;
    eventually(SOON, async || {
        let listed = listed(address).await;
        let lines = listed["quarantined"].as_array().unwrap();
        lines.len() == 1 && lines[0]["service"] == "liar"
    })
    .await;
    // Whoever is known keeps what it has, whatever is said in its name.
    announce("odd.1", "what?".to_owned()).await;
    announce("next.1", "what?".to_owned()).await;
    quarantined(address, "next").await;
    answers(address, "POST", "/odd/e", 200).await;
}

#[tokio::test]
async fn answers_that_cannot_be_read_are_counted_and_logged() {
    let network = binary::network(&["--subject", "good.>"]).await;
    let bus = network.connect(WITNESS).await;
    let _good = Responder::silent(&bus, "good", [echo("good")]).await;
    let mut questions = bus.subscribe("$SRV.INFO", None, 16).await.unwrap();
    let answering = bus.clone();
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            let to = question.reply.unwrap().to_string();
            publish(&answering, to.clone(), "what?").await;
            publish(&answering, to, "x".repeat(300_000)).await;
        }
    });
    let (gateway, address) = binary::started(&network, &[]).await;
    answers(address, "POST", "/good/echo", 200).await;
    let listed = listed(address).await;
    assert_eq!(listed["unreadable_answers"], 2);
    assert_eq!(listed["quarantined"], json!([]));
    let line = "answers to $SRV.INFO that cannot be read: 2 in this round, 2 since the start.";
    gateway.wait_for_line(|text| text.contains(line)).await;
}

#[tokio::test]
async fn a_contract_that_is_not_what_its_hash_says_is_not_served_by() {
    let network = network(&[]).await;
    let bus = network.connect(WITNESS).await;
    let gateway = gateway(&network, NEVER).await;
    let hash = "1".repeat(64);
    let asked = format!("{}.{hash}", metropolis::service::CONTRACT);
    let mut requests = bus.subscribe(&asked, None, 16).await.unwrap();
    let forger = bus.clone();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let mut reply = Outgoing::empty(request.reply.unwrap());
            reply.headers.append(metropolis::wire::PARTS, "1").unwrap();
            reply.payload = "{\"status\":200}".into();
            forger.publish(reply, Instant::now() + SOON).await.unwrap();
        }
    });
    let endpoint = Endpoint::new("e", "forged.e").with("metropolis.contract", hash.as_str());
    let _forged = Responder::start(&bus, "forged", [endpoint]).await;
    let reason = reason(gateway.address(), "forged").await;
    let expected = "endpoint `e`: the contract's hash is ";
    assert!(
        reason.starts_with(expected) && reason.ends_with(&format!(", not {hash}")),
        "{reason}"
    );
}
