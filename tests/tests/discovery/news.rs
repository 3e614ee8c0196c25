//! Joining and leaving: by announcement at once, and by polling where an announcement was lost.

use super::*;

#[tokio::test]
async fn joining_and_leaving_are_seen_by_announcement() {
    let network = network(&["news.>"]).await;
    let bus = network.connect(WITNESS).await;
    let gateway = gateway(&network, NEVER).await;
    let address = gateway.address();
    answers(address, "POST", "/news/echo", 404).await;
    let responder = Responder::start(&bus, "news", [echo("news")]).await;
    answers(address, "POST", "/news/echo", 200).await;
    let listed = listed(address).await;
    assert_eq!(listed["services"][0]["service"], "news");
    assert_eq!(
        listed["services"][0]["instances"].as_array().unwrap().len(),
        1
    );
    let mut client = HttpClient::connect(address).await;
    let document: Value = client.send("GET", "/openapi.json", &[], "").await.json();
    assert!(document["paths"]["/news/echo"]["post"].is_object());
    responder.leave().await;
    answers(address, "POST", "/news/echo", 404).await;
}

#[tokio::test]
async fn who_is_there_already_is_served_when_the_gateway_is_ready() {
    let network = network(&["early.>"]).await;
    let bus = network.connect(WITNESS).await;
    let _responder = Responder::silent(&bus, "early", [echo("early")]).await;
    let gateway = gateway(&network, NEVER).await;
    let mut client = HttpClient::connect(gateway.address()).await;
    let answer = client.send("POST", "/early/echo", &[JSON], "{}").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "\"early\""));
}

#[tokio::test]
async fn a_lost_announcement_is_repaired_by_polling_and_so_is_a_lost_farewell() {
    let network = network(&["quiet.>"]).await;
    let bus = network.connect(WITNESS).await;
    let gateway = gateway(&network, Duration::from_millis(300)).await;
    let address = gateway.address();
    let responder = Responder::silent(&bus, "quiet", [echo("quiet")]).await;
    answers(address, "POST", "/quiet/echo", 200).await;
    drop(responder);
    answers(address, "POST", "/quiet/echo", 404).await;
}

#[tokio::test]
async fn the_gateway_finds_everybody_again_after_a_restart_of_the_server() {
    let mut network = network(&["again.>"]).await;
    let bus = network.connect(WITNESS).await;
    let gateway = gateway(&network, NEVER).await;
    let address = gateway.address();
    let _responder = Responder::start(&bus, "again", [echo("again")]).await;
    answers(address, "POST", "/again/echo", 200).await;
    network.server.kill().await;
    network.server.restart_on_same_port().await;
    answers(address, "POST", "/again/echo", 200).await;
}

#[tokio::test]
async fn a_route_stays_until_the_last_instance_has_left() {
    let network = network(&["pair.>"]).await;
    let bus = network.connect(WITNESS).await;
    let gateway = gateway(&network, NEVER).await;
    let address = gateway.address();
    let one = Responder::start(&bus, "pair", [echo("pair")]).await;
    let other = Responder::start(&bus, "pair", [echo("pair")]).await;
    eventually(SOON, async || {
        listed(address).await["services"][0]["instances"]
            .as_array()
            .is_some_and(|all| all.len() == 2)
    })
    .await;
    one.leave().await;
    eventually(SOON, async || {
        listed(address).await["services"][0]["instances"]
            .as_array()
            .is_some_and(|all| all.len() == 1)
    })
    .await;
    answers(address, "POST", "/pair/echo", 200).await;
    other.leave().await;
    answers(address, "POST", "/pair/echo", 404).await;
}

#[tokio::test]
async fn the_gateway_is_ready_when_everybody_was_heard_and_not_before() {
    let network = network(&[]).await;
    let bus = network.connect(WITNESS).await;
    // Somebody who may still answer, so that there is something to wait for.
    let _slow = bus.subscribe("$SRV.INFO", None, 16).await.unwrap();
    let gateway = discovering(&network, NEVER).await.start().await.unwrap();
    let mut client = HttpClient::connect(gateway.address()).await;
    let early = client.send("GET", "/readyz", &[], "").await;
    assert_eq!(
        (early.status, early.header("retry-after")),
        (503, Some("1"))
    );
    assert_eq!(client.send("GET", "/healthz", &[], "").await.status, 200);
    ready(gateway.address()).await;
}
