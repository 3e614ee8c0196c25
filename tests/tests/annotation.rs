//! What an annotation says arrives in the task's `META`, and calling the task calls the function.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::time::Duration;

use metropolis::{Context, Fault, Served, Task};

struct Suffix(&'static str);

/// Renames a user.
///
///     indented
#[metropolis::task(
    subject = "users.{id}.rename",
    queue = "users",
    http = "PUT /users/{id}/name",
    timeout = "500ms",
    concurrency = 8,
    status = 202
)]
#[deprecated]
async fn rename(suffix: &Suffix, name: String, _ctx: &Context) -> Result<String, Fault> {
    Ok(name + suffix.0)
}

#[metropolis::task(subject = "chess.match", blocking)]
fn r#match(moves: u8) -> u8 {
    moves + 1
}

#[metropolis::task(subject = "llm.answer", timeout = "1m")]
async fn answer(question: String) -> String;

#[metropolis::task(subject = "docs.from.cfg")]
#[cfg_attr(all(), doc = "Documented.", doc = "Twice.", inline)]
#[cfg_attr(any(), deprecated)]
async fn documented() {}

#[derive(Debug, thiserror::Error, metropolis::Fault, serde::Serialize)]
enum UserFault {
    #[error("no user {id}")]
    #[fault(status = 404, code = "user_not_found")]
    NotFound { id: u64 },
    #[error("try later")]
    #[fault(status = 503)]
    TooBusy,
}

#[test]
#[allow(deprecated, reason = "the task is deprecated to see that this is told")]
fn every_key_is_told() {
    let meta = rename::META;
    assert_eq!(
        (meta.name, meta.subject, meta.queue),
        ("rename", "users.{id}.rename", "users")
    );
    assert_eq!(
        (meta.http, meta.status),
        (Some("PUT /users/{id}/name"), Some(202))
    );
    assert_eq!(
        (meta.timeout, meta.concurrency),
        (Duration::from_millis(500), 8)
    );
    assert_eq!(meta.docs, "Renames a user.\n\n    indented");
    assert_eq!((meta.deprecated, meta.blocking), (true, false));
    assert_eq!(meta.needs.len(), 2);
}

#[test]
fn a_key_left_out_is_the_runtime_s_default() {
    let meta = answer::META;
    assert_eq!(
        (meta.queue, meta.http, meta.status, meta.concurrency),
        ("worker", None, None, 256)
    );
    assert_eq!(meta.timeout, Duration::from_secs(60));
    assert_eq!(
        (meta.needs.len(), meta.docs, meta.deprecated),
        (0, "", false)
    );
}

#[test]
fn a_raw_identifier_is_told_without_its_mark() {
    let meta = r#match::META;
    assert_eq!((meta.name, meta.blocking), ("match", true));
}

#[test]
fn attributes_are_resolved_before_they_are_told() {
    let meta = documented::META;
    assert_eq!((meta.docs, meta.deprecated), ("Documented.\nTwice.", false));
}

#[test]
fn the_origin_is_the_line_of_the_function() {
    let origin = r#match::META.origin;
    let line = include_str!("annotation.rs")
        .lines()
        .nth(origin.line as usize - 1)
        .unwrap();
    assert!(line.starts_with("fn r#match"), "{line}");
    assert!(origin.file.ends_with("annotation.rs"), "{}", origin.file);
    assert_eq!(
        (origin.package, origin.version),
        ("metropolis-tests", env!("CARGO_PKG_VERSION"))
    );
}

#[tokio::test]
#[allow(deprecated, reason = "the task is deprecated to see that this is told")]
async fn running_a_task_calls_its_function() {
    let ctx = Context::for_test().provide(Suffix("!"));
    assert_eq!(
        <rename as Served>::run(&ctx, "Ada".to_owned())
            .await
            .unwrap(),
        "Ada!"
    );
    assert_eq!(<r#match as Served>::run(&ctx, 1).await, 2);
    documented().await;
}

#[test]
fn a_fault_keeps_what_its_variant_declares() {
    let fault = Fault::from(UserFault::NotFound { id: 5 });
    assert_eq!(
        (fault.status(), fault.code(), fault.message()),
        (404, "user_not_found", "no user 5")
    );
    assert_eq!(fault.data().unwrap()["id"], 5);
    assert_eq!(
        fault.kind::<UserFault>().unwrap().message,
        Some("no user {id}")
    );
    assert_eq!(Fault::from(UserFault::TooBusy).code(), "too_busy");
}
