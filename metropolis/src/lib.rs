//! NATS workers from plain async functions.
//!
//! Annotate a function; it becomes a task that any number of worker processes serve as a queue group, with a typed
//! client call, an HTTP route at the gateway and a schema, all from the one annotation. The function itself stays as it
//! was written.
//!
//! ```no_run
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Text {
//!     data: String,
//! }
//!
//! /// Returns the text reversed.
//! #[metropolis::task(subject = "foo.bar")]
//! async fn reverse(text: Text) -> String {
//!     text.data.chars().rev().collect()
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), metropolis::RunError> {
//!     metropolis::run().await
//! }
//! ```
//!
//! Start at [`task`](macro@task), [`Worker`], [`Client`] and
//! [`Fault`](struct@Fault).
#![forbid(unsafe_code)]

// Generated code says `::metropolis`; this crate's own tests and documentation are generated code's users too.
extern crate self as metropolis;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod bus;
pub mod catalog;
pub mod client;
pub mod config;
pub mod context;
pub mod contract;
mod dispatch;
pub mod fault;
pub mod health;
mod hex;
pub mod input;
pub mod listing;
pub mod live;
pub mod log;
pub mod permissions;
mod random;
mod replies;
pub mod route;
mod run;
pub mod schema;
pub mod service;
pub mod spec;
pub mod subject;
pub mod task;
pub mod telemetry;
pub mod trace;
pub mod wire;
pub mod worker;

pub use bus::{Bus, ConnectError, NatsOptions};
pub use client::{Call, CallError, Client};
pub use config::Settings;
pub use context::Context;
pub use fault::{Fault, FaultKind};
pub use listing::routes;
pub use live::Setting;
pub use permissions::permissions;
pub use run::{RunError, connect, connect_internal, run};
pub use spec::TaskSpec;
pub use task::{Origin, Raw, Served, Task, TaskMeta};
pub use worker::{RunningWorker, Worker};

/// Makes a task of a function.
///
/// The function stays as it was written and can be called as before. Beside it stands a type of the same name, by which
/// callers name the task: `client.call::<get_user>(&input)`.
///
/// ```
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, JsonSchema)]
/// # struct User { id: u64 }
/// # struct Users;
/// # impl Users { async fn find(&self, id: u64) -> Option<User> { Some(User { id }) } }
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// struct UserKey {
///     id: u64,
/// }
///
/// #[derive(Debug, thiserror::Error, metropolis::Fault)]
/// enum UserFault {
///     #[error("no user {0}")]
///     #[fault(status = 404, code = "user_not_found")]
///     NotFound(u64),
/// }
///
/// /// Looks a user up by id.
/// #[metropolis::task(subject = "users.{id}.get", queue = "users", timeout = "2s")]
/// async fn get_user(users: &Users, key: UserKey) -> Result<User, UserFault> {
///     users.find(key.id).await.ok_or(UserFault::NotFound(key.id))
/// }
/// ```
///
/// | key | meaning | default |
/// |---|---|---|
/// | `subject` | required; tokens of `[A-Za-z0-9_-]+` or `{name}`, a property of the input | |
/// | `queue` | the queue group whose members share the work | `"worker"` |
/// | `http` | `"METHOD /path/{param}"`, or `"none"` to keep the task off every gateway | derived from the subject |
/// | `timeout` | the longest one call may take, as `"500ms"`, `"2s"`, `"1m"` | `"30s"` |
/// | `concurrency` | calls in flight per worker process; as many again may wait; past that the answer is *busy* | `256` |
/// | `status` | HTTP status of success, 200 to 299 | 200, or 204 for an empty reply |
/// | `blocking` | allows a plain `fn`, which runs on the blocking pool | |
/// | `bus` | `"internal"` keeps the task off the external bus where there are two, and off every gateway | both |
/// | `crate` | path of this crate where it is renamed | `::metropolis` |
///
/// A parameter taken by value is the **input**: one at most, `Deserialize + JsonSchema`, or [`Raw`]. Parameters taken by
/// reference are **provided by the worker**: `&Context` always, any other type by [`Worker::provide`]. The function
/// returns a value (`Serialize + JsonSchema`), [`Raw`], or a `Result` of one and a fault.
///
/// A function without a body **declares** a task that lives elsewhere; it can be called and routed to, never served:
///
/// ```
/// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// # struct Question { text: String }
/// #[metropolis::task(subject = "llm.answer", timeout = "30s")]
/// async fn answer(question: Question) -> Result<String, metropolis::Fault>;
/// ```
///
/// The macro refuses what it can see; [`Worker::run`] checks the rest before anything starts, all problems at once.
/// A name in documentation is ambiguous, being a function and a type: link to it as ``[`get_user()`]``.
pub use metropolis_macros::task;

/// Makes the variants of an error enum faults with a status and a code.
///
/// `status` is required, 400 to 599 without 407. `code` is what callers recognise the kind by, the variant's name in
/// snake case by default. The `Display` text is the public message; where the enum is `Serialize`, the variant's fields
/// travel as `data`.
///
/// ```
/// #[derive(Debug, thiserror::Error, serde::Serialize, metropolis::Fault)]
/// enum Declined {
///     #[error("the card {card} is blocked")]
///     #[fault(status = 402, code = "card_blocked")]
///     Blocked { card: String },
/// }
///
/// let fault = metropolis::Fault::from(Declined::Blocked { card: "1234".into() });
/// assert_eq!((fault.status(), fault.message()), (402, "the card 1234 is blocked"));
/// assert_eq!(fault.kind::<Declined>().map(|kind| kind.code), Some("card_blocked"));
/// assert_eq!(fault.data().unwrap()["card"], "1234");
/// ```
pub use metropolis_macros::Fault;

/// Makes a type of the application's own a [`Setting`](trait@Setting): a value that operators change while it runs.
///
/// `key` is required: `setting.<service>.<key>` is what operators write to, so it does not follow from the type's name. The type
/// must be `Deserialize + JsonSchema`, and `Send + Sync`, since calls share it.
///
/// ```
/// #[derive(Default, serde::Deserialize, schemars::JsonSchema, metropolis::Setting)]
/// #[setting(key = "limits")]
/// #[serde(default, deny_unknown_fields)]
/// struct Limits {
///     items_per_order: u32,
/// }
///
/// let ctx = metropolis::Context::for_test().provide(Limits { items_per_order: 5 });
/// assert_eq!(ctx.provided::<Limits>().items_per_order, 5);
/// assert_eq!(<Limits as metropolis::Setting>::KEY, "limits");
/// ```
pub use metropolis_macros::Setting;
