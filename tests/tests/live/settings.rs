//! Settings of an application: values of its own types that follow keys of the bucket.

use std::sync::Arc;

use metropolis::Setting;

use super::*;

#[derive(Deserialize, JsonSchema, Setting)]
#[setting(key = "greeting")]
#[serde(deny_unknown_fields)]
struct Greeting {
    #[schemars(length(min = 1))]
    text: String,
}

const GREETING: &str = "setting.live.greeting";

/// What the greeting is when a call begins, and when it ends.
#[metropolis::task(subject = "live.greet", timeout = "30s")]
async fn greet(greeting: &Greeting, gate: &Gate) -> [String; 2] {
    let before = greeting.text.clone();
    gate.pass().await;
    [before, greeting.text.clone()]
}

fn worker(bus: Bus) -> Worker {
    let own = Greeting {
        text: "own".to_owned(),
    };
    let worker = Worker::new(bus).serve::<greet>().with_service(SERVICE);
    worker.follow(own).provide(Gate::new())
}

/// With a gate that the test holds.
fn gated(bus: Bus, gate: &Gate) -> Worker {
    let own = Greeting {
        text: "own".to_owned(),
    };
    let worker = Worker::new(bus).serve::<greet>().with_service(SERVICE);
    worker.follow(own).provide(gate.clone())
}

fn pair(text: &str) -> [String; 2] {
    [text.to_owned(), text.to_owned()]
}

#[tokio::test]
async fn a_setting_follows_its_key_and_a_call_sees_one_value() {
    let scene = Scene::start(worker).await;
    scene.bucket.put(GREETING, r#"{"text": "first"}"#).await;
    let gate = Gate::new();
    let running = gated(scene.worker_bus().await, &gate)
        .start()
        .await
        .unwrap();
    // It is there before the first call.
    let text = || running.setting::<Greeting>().unwrap().text.clone();
    assert_eq!(text(), "first");
    let client = scene.client().await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.call::<greet>(&()).await }
    });
    gate.has_seen(1).await;
    scene.bucket.put(GREETING, r#"{"text": "second"}"#).await;
    eventually(SOON, async || text() == "second").await;
    gate.open(2);
    assert_eq!(call.await.unwrap().unwrap(), pair("first"));
    assert_eq!(client.call::<greet>(&()).await.unwrap(), pair("second"));
    scene.bucket.delete(GREETING).await;
    eventually(SOON, async || text() == "own").await;
    running.stop().await;
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_refused_and_the_old_one_stays() {
    let scene = Scene::start(worker).await;
    let running = worker(scene.worker_bus().await).start().await.unwrap();
    let (operator, instance) = (&scene.operator, running.instance());
    let good = scene.bucket.put(GREETING, r#"{"text": "good"}"#).await;
    is_applied(operator, instance, GREETING, good).await;
    for (document, expected) in [
        (r#"{"text": ""}"#, "/text: "),
        (r#"{"txet": "x"}"#, ""),
        (r#"{"text": 5}"#, "/text: "),
        ("good", ""),
    ] {
        let bad = scene.bucket.put(GREETING, document).await;
        let expected = format!("{bad}: {expected}");
        eventually(SOON, async || {
            let refused = told(operator, instance, "refused", GREETING).await;
            refused.is_some_and(|refused| refused.starts_with(&expected))
        })
        .await;
        assert_eq!(running.setting::<Greeting>().unwrap().text, "good");
        let applied = told(operator, instance, "applied", GREETING).await;
        assert_eq!(applied, Some(good.to_string()));
    }
    running.stop().await;
}

/// Has the key of another.
#[derive(Deserialize, JsonSchema, Setting)]
#[setting(key = "greeting")]
struct Rival(#[expect(dead_code, reason = "only its key matters")] u32);

/// Has a key that the derive would refuse.
#[derive(Deserialize, JsonSchema)]
struct Dotted;

impl Setting for Dotted {
    const KEY: &'static str = "a.b";
}

#[tokio::test]
async fn mistakes_in_settings_are_told_before_anything_starts() {
    let worker = worker(Bus::embedded())
        .follow(Rival(1))
        .follow(Dotted)
        .provide(Rival(2));
    let error = worker.start().await.unwrap_err().to_string();
    for expected in [
        "two settings have the key `greeting`: ",
        "`a.b` of `live::settings::Dotted` is no key of a setting",
        "two values of the type `live::settings::Rival` are provided",
    ] {
        assert!(error.contains(expected), "{error}");
    }
    let missing = Worker::new(Bus::embedded())
        .serve::<greet>()
        .provide(Gate::new());
    let error = missing.start().await.unwrap_err().to_string();
    assert!(
        error.contains("nothing provides `live::settings::Greeting`"),
        "{error}"
    );
}

#[tokio::test]
async fn without_a_bucket_a_setting_is_the_applications_own() {
    let bus = Bus::embedded();
    let gate = Gate::new();
    let running = gated(bus.clone(), &gate).start().await.unwrap();
    gate.open(1);
    let client = Client::new(bus);
    assert_eq!(client.call::<greet>(&()).await.unwrap(), pair("own"));
    let own: Option<Arc<Greeting>> = running.setting();
    assert_eq!(own.unwrap().text, "own");
    running.stop().await;
}
