//! A worker that would break callers of what is in service does not start.

use super::*;

/// The same task as it changes from version to version.
macro_rules! version {
    ($name:ident, { $($input:tt)* }, { $($output:tt)* }) => {
        mod $name {
            #[derive(serde::Deserialize, schemars::JsonSchema)]
            #[expect(dead_code, reason = "only its schema matters")]
            pub(super) struct Order { $($input)* }

            #[derive(serde::Serialize, schemars::JsonSchema)]
            pub(super) struct Receipt { $($output)* }

            #[metropolis::task(subject = "discovery.orders.place")]
            pub(super) async fn place(_order: Order) -> Receipt {
                panic!("never called")
            }
        }
    };
}

version!(first, { item: String, count: Option<u32> }, { number: u64, note: Option<String> });
version!(grown, { item: String, count: Option<u32>, gift: Option<bool> },
                { number: u64, note: Option<String>, price: u32 });
version!(broken, { item: String, count: u32, zip: String }, { number: Option<u64> });

async fn refusal(worker: Worker) -> String {
    match worker.start().await {
        Err(error @ StartError::Breaking(_)) => error.to_string(),
        other => panic!("a breaking start, not {other:?}"),
    }
}

#[tokio::test]
async fn a_breaking_start_is_refused_with_the_difference_unless_it_is_allowed() {
    let tasks = [serving::<first::place>(), serving::<broken::place>()];
    let parts = Parts::on_a_server(tasks).await;
    let in_service = parts.worker().start().await.unwrap();
    let text = refusal(parts.workers().remove(1)).await;
    let line = <broken::place as metropolis::Task>::META.origin.line;
    let expected = format!(
        "cannot start the worker: 1 task breaks the contract that is in service
  place  tests/tests/e2e/discovery/breaking.rs:{line}  discovery.orders.place
    input /count: is required now
    input /count: takes no `null` any more
    input /zip: is required now
    output /note: is gone
    output /number: may be `null` now
  give the new form a subject of its own, or start in spite of it: METROPOLIS_ALLOW_BREAKING=1"
    );
    assert_eq!(text, expected);
    let allowed = parts.workers().remove(1);
    let allowed = allowed.with_allow_breaking().start().await.unwrap();
    allowed.stop().await;
    in_service.stop().await;
}

#[tokio::test]
async fn a_rolling_update_starts_with_the_same_and_with_a_compatible_contract() {
    let first = || serving::<first::place>();
    let tasks = [first(), first(), serving::<grown::place>(), first()];
    let parts = Parts::on_a_server(tasks).await;
    let mut asked = parts
        .witness
        .subscribe("metropolis.contract.*", None, 16)
        .await
        .unwrap();
    let mut workers = parts.workers().into_iter();
    let mut next = || workers.next().unwrap();
    let mut running = vec![next().start().await.unwrap(), next().start().await.unwrap()];
    parts.settle().await;
    assert!(asked.try_next().is_none(), "the same contract was fetched");
    running.push(next().start().await.unwrap());
    parts.settle().await;
    assert!(
        asked.try_next().is_some(),
        "another contract was not fetched"
    );
    // With both in service a third version has to suit both; what the second added would be gone again.
    let text = refusal(next()).await;
    assert!(text.contains("output /price: is gone"), "{text}");
    parts::stop(running).await;
}

#[tokio::test]
async fn peers_that_answer_nonsense_keep_nobody_from_starting() {
    let parts = Parts::on_a_server([serving::<first::place>()]).await;
    let liar = parts.witness.clone();
    let mut questions = liar.subscribe("$SRV.INFO", None, 16).await.unwrap();
    let answers = [
        "",
        "null",
        "[[[[",
        "{\"type\":\"io.nats.micro.v1.info_response\"}",
    ]
    .map(str::to_owned);
    let endpoint = |contract: &str| {
        serde_json::json!({
            "type": "io.nats.micro.v1.info_response", "name": "a", "id": "b", "version": "1.0.0",
            "endpoints": [{ "name": "a", "subject": "discovery.orders.place",
                            "metadata": { "metropolis.contract": contract } }],
        })
        .to_string()
    };
    let lies = [endpoint("not a hash"), endpoint(&"0".repeat(64))];
    let answers: Vec<String> = answers.into_iter().chain(lies).collect();
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            for answer in &answers {
                let mut reply = Outgoing::empty(question.reply.clone().unwrap());
                reply.payload = answer.clone().into();
                liar.publish(reply, Instant::now() + SOON).await.unwrap();
            }
        }
    });
    within(SOON, parts.worker().start())
        .await
        .unwrap()
        .stop()
        .await;
}
