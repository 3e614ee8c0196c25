//! Typed calls: values, faults, deadlines, and tasks that call tasks.

use std::time::{Duration, Instant};

use metropolis::{CallError, Context, Fault, Raw};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::parts::{calling, on_both_buses, serving, stop};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Order {
    id: u64,
    note: String,
}

#[derive(Debug, Serialize, thiserror::Error, metropolis::Fault)]
enum OrderFault {
    #[error("no order {id}")]
    #[fault(status = 404, code = "order_not_found")]
    NotFound { id: u64 },
    #[error("the order is closed")]
    #[fault(status = 409)]
    Closed,
}

#[metropolis::task(subject = "calls.orders.{id}.{note}.echo")]
async fn echo_order(order: Order) -> Order {
    order
}

#[metropolis::task(subject = "calls.orders.find")]
async fn find_order(id: u64) -> Result<Order, OrderFault> {
    match id {
        0 => Err(OrderFault::NotFound { id }),
        1 => Err(OrderFault::Closed),
        id => Ok(Order {
            id,
            note: String::new(),
        }),
    }
}

#[metropolis::task(subject = "calls.orders.find.through")]
async fn find_through(ctx: &Context, id: u64) -> Result<Order, Fault> {
    Ok(ctx.call::<find_order>(&id).await?)
}

#[metropolis::task(subject = "calls.orders.find.inside")]
async fn find_inside(id: u64) -> Result<Order, Fault> {
    Ok(find_order(id).await?)
}

#[metropolis::task(subject = "calls.secret")]
async fn leak() -> Result<(), Fault> {
    Err(std::io::Error::other("the password is 1234"))?
}

#[metropolis::task(subject = "calls.remaining")]
async fn remaining(ctx: &Context) -> u128 {
    ctx.remaining().as_millis()
}

#[metropolis::task(subject = "calls.remaining.through", timeout = "1s")]
async fn remaining_through(ctx: &Context) -> Result<u128, Fault> {
    Ok(ctx.call::<remaining>(&()).await?)
}

#[metropolis::task(subject = "calls.raw")]
async fn shout(raw: Raw) -> Raw {
    Raw::new(raw.bytes.to_ascii_uppercase(), raw.media_type)
}

#[metropolis::task(subject = "calls.nobody.serves")]
async fn nowhere() -> Result<(), Fault>;

#[tokio::test]
async fn an_input_and_a_value_travel_through_subject_and_payload() {
    on_both_buses([serving::<echo_order>()], async |parts| {
        let worker = parts.worker().start().await.unwrap();
        let order = Order {
            id: 7,
            note: "a.b/ü*> %".to_owned(),
        };
        let echoed = parts.client().call::<echo_order>(&order).await.unwrap();
        assert_eq!(echoed, order);
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn bytes_keep_their_media_type() {
    on_both_buses([serving::<shout>()], async |parts| {
        let worker = parts.worker().start().await.unwrap();
        let loud = parts
            .client()
            .call::<shout>(&Raw::new("abc", "text/plain"))
            .await
            .unwrap();
        assert_eq!(loud, Raw::new("ABC", "text/plain"));
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_fault_is_recognised_by_its_code_and_keeps_its_fields() {
    on_both_buses([serving::<find_order>()], async |parts| {
        let worker = parts.worker().start().await.unwrap();
        let client = parts.client();
        let error = client.call::<find_order>(&0).await.unwrap_err();
        let fault = error.fault().unwrap();
        assert_eq!(fault.kind::<OrderFault>().unwrap().code, "order_not_found");
        assert_eq!((fault.status(), fault.message()), (404, "no order 0"));
        assert_eq!(fault.data().unwrap()["id"], 0);
        let error = client.call::<find_order>(&1).await.unwrap_err();
        assert_eq!(
            error.fault().unwrap().kind::<OrderFault>().unwrap().code,
            "closed"
        );
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_question_mark_keeps_status_and_code_of_a_typed_fault() {
    let asking = serving::<find_through>()
        .and::<find_inside>()
        .calling::<find_order>();
    on_both_buses([serving::<find_order>(), asking], async |parts| {
        let workers = parts.start().await;
        let client = parts.client();
        let through = client.call::<find_through>(&0).await.unwrap_err();
        let inside = client.call::<find_inside>(&0).await.unwrap_err();
        for error in [through, inside] {
            let fault = error.fault().unwrap();
            assert_eq!((fault.status(), fault.code()), (404, "order_not_found"));
        }
        stop(workers).await;
    })
    .await;
}

#[tokio::test]
async fn any_other_error_is_a_500_that_tells_strangers_nothing() {
    on_both_buses([serving::<leak>()], async |parts| {
        let worker = parts.worker().start().await.unwrap();
        let error = parts.client().call::<leak>(&()).await.unwrap_err();
        let fault = error.fault().unwrap();
        assert_eq!((fault.status(), fault.code()), (500, "internal"));
        assert!(!format!("{fault:?} {fault}").contains("1234"));
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_input_that_does_not_fit_is_a_400_with_the_path_of_the_field() {
    on_both_buses([serving::<echo_order>()], async |parts| {
        let worker = parts.worker().start().await.unwrap();
        let outgoing = metropolis::bus::Outgoing {
            subject: metropolis::subject::Subject::parse("calls.orders.x.y.echo").unwrap(),
            reply: None,
            headers: metropolis::wire::Headers::new(),
            payload: "{}".into(),
        };
        let error = parts
            .client()
            .send(outgoing, Duration::from_secs(5))
            .await
            .unwrap_err();
        let fault = error.fault().unwrap();
        assert_eq!((fault.status(), fault.code()), (400, "bad_input"));
        assert_eq!(fault.data().unwrap()["pointer"], "/id");
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_call_inside_a_task_gets_what_is_left_of_its_time() {
    let asking = serving::<remaining_through>().calling::<remaining>();
    on_both_buses([serving::<remaining>(), asking], async |parts| {
        let workers = parts.start().await;
        let client = parts.client();
        let alone = client.call::<remaining>(&()).await.unwrap();
        let inherited = client.call::<remaining_through>(&()).await.unwrap();
        let shortened = client
            .call::<remaining>(&())
            .with_timeout(Duration::from_millis(300))
            .await
            .unwrap();
        assert!((29_000..=30_000).contains(&alone), "{alone}");
        assert!((500..=1000).contains(&inherited), "{inherited}");
        assert!((1..=300).contains(&shortened), "{shortened}");
        stop(workers).await;
    })
    .await;
}

#[tokio::test]
async fn a_task_that_nobody_serves_fails_at_once() {
    on_both_buses([calling::<nowhere>()], async |parts| {
        let start = Instant::now();
        let error = parts.client().call::<nowhere>(&()).await.unwrap_err();
        assert!(
            matches!(error, CallError::NoWorker(_)) && error.is_not_started(),
            "{error:?}"
        );
        assert!(start.elapsed() < Duration::from_secs(5));
    })
    .await;
}

#[tokio::test]
async fn a_task_is_a_plain_function_that_a_test_can_call() {
    assert_eq!(find_order(5).await.unwrap().id, 5);
    let ctx = Context::for_test();
    assert!(remaining(&ctx).await > 0);
    let nobody = find_through(&ctx, 5).await.unwrap_err();
    assert_eq!((nobody.status(), nobody.code()), (503, "unavailable"));
}
