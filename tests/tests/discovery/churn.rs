//! Services come and go in numbers, and nobody else notices.

use metropolis_tests::load::{Tally, during, outcome};

use super::*;

const SERVICES: usize = 300;

/// Services that join at the same time.
const AT_ONCE: usize = 50;

/// Requests to one path by several clients, for as long as a scenario takes.
async fn while_requested<S>(
    address: SocketAddr,
    path: &str,
    scenario: impl Future<Output = S>,
) -> (S, Tally) {
    let connect = async || {
        HttpClient::try_connect(address)
            .await
            .map_err(|error| error.to_string())
    };
    let request = async |client: &mut HttpClient| {
        outcome(
            client
                .try_send("POST", path, &[JSON], r#"{"data":"abc"}"#)
                .await,
        )
    };
    during(scenario, 4, connect, request).await
}

async fn services(address: SocketAddr) -> usize {
    listed(address).await["services"].as_array().unwrap().len()
}

async fn start_numbered(bus: &Bus, number: usize) -> Responder {
    let name = format!("churn{number}");
    Responder::start(bus, &name, [echo(&name)]).await
}

#[tokio::test]
async fn three_hundred_services_join_and_leave_and_no_other_request_fails() {
    let numbered: Vec<String> = (0..SERVICES)
        .map(|number| format!("churn{number}.>"))
        .collect();
    let subjects: Vec<&str> = numbered.iter().map(String::as_str).collect();
    let network = network(&[&["steady.>"], &subjects[..]].concat()).await;
    let bus = network.connect(WITNESS).await;
    let others = network.connect(WITNESS).await;
    let gateway = gateway(&network, NEVER).await;
    let address = gateway.address();
    let _steady = Responder::start(&bus, "steady", [echo("steady")]).await;
    answers(address, "POST", "/steady/echo", 200).await;
    let scenario = async {
        let mut joined = Vec::new();
        for first in (0..SERVICES).step_by(AT_ONCE) {
            let batch = (first..first + AT_ONCE).map(|number| start_numbered(&others, number));
            joined.extend(futures_util::future::join_all(batch).await);
        }
        eventually(SOON, async || services(address).await == SERVICES + 1).await;
        answers(address, "POST", "/churn299/echo", 200).await;
        futures_util::future::join_all(joined.into_iter().map(Responder::leave)).await;
        eventually(SOON, async || services(address).await == 1).await;
        answers(address, "POST", "/churn0/echo", 404).await;
    };
    let ((), tally) = while_requested(address, "/steady/echo", scenario).await;
    assert_eq!(tally.not_ok(), 0, "{tally:?}");
    assert!(tally.ok > 20, "{tally:?}");
}

#[tokio::test]
async fn a_rolling_update_fails_no_request() {
    let network = binary::network(&["--subject", "foo.>"]).await;
    let (_gateway, address) = binary::started(&network, &[]).await;
    let mut old = vec![
        binary::worker(&network).await,
        binary::worker(&network).await,
    ];
    answers_to(address, "/foo/bar", r#"{"data":"abc"}"#).await;
    let scenario = async {
        for _ in 0..2 {
            let new = binary::worker(&network).await;
            eventually(SOON, async || {
                listed(address).await["services"][0]["instances"]
                    .as_array()
                    .is_some_and(|all| all.len() == 3)
            })
            .await;
            let mut oldest = old.remove(0);
            oldest.signal("TERM").await;
            assert!(oldest.wait_exit(SOON).await.success());
            old.push(new);
        }
    };
    let ((), tally) = while_requested(address, "/foo/bar", scenario).await;
    assert_eq!(tally.not_ok(), 0, "{tally:?}");
    assert!(tally.ok > 20, "{tally:?}");
}

async fn answers_to(address: SocketAddr, path: &str, body: &'static str) {
    let mut client = HttpClient::connect(address).await;
    eventually(SOON, async || {
        client.send("POST", path, &[JSON], body).await.status == 200
    })
    .await;
}
