//! What each example must be allowed on a server, as it would print it.
//!
//! An example is a process of its own, so what its annotations say of subjects, queues and time is said here again.

use std::future::{Future, pending};
use std::time::Duration;

use metropolis::catalog::Catalog;
use metropolis::config::BUCKET_DEFAULT;
use metropolis::live::GATEWAY_KEY;
use metropolis::permissions::Permissions;
use metropolis::task::{Fallible, Origin, Served, Task};
use metropolis::{Context, TaskMeta, TaskSpec};
use schemars::JsonSchema;
use serde::Deserialize;

/// The package of all examples, and so the name of their services.
const PACKAGE: &str = "metropolis-examples";

/// The worker `hello-worker`.
pub fn hello_worker() -> Permissions {
    worker([served("foo.bar"), served("foo.who.get")])
}

/// The gateway `hello-gateway`.
pub fn hello_gateway() -> Permissions {
    gateway(&["foo.bar", "foo.who.get"])
}

/// The worker `polyglot`.
pub fn polyglot() -> Permissions {
    worker([
        served("text.report"),
        served("text.shout"),
        declared("words.count"),
    ])
}

/// `hello`: worker and gateway on one connection.
pub fn hello() -> Permissions {
    let worker = worker([served("foo.bar"), served("foo.bar.get")]);
    gateway(&["foo.bar", "foo.bar.get"]).with(worker)
}

/// `caller`: worker and gateway on one connection.
pub fn caller() -> Permissions {
    let mut palindrome = served("palindrome.get");
    palindrome.meta.timeout = Duration::from_secs(5);
    let worker = worker([palindrome, declared("foo.bar")]);
    gateway(&["foo.bar", "palindrome.get"]).with(worker)
}

/// `users`: worker and gateway on one connection.
pub fn users() -> Permissions {
    let subjects = [
        "users",
        "users.get",
        "users.{id}.get",
        "users.rename",
        "users.{id}.delete",
    ];
    let worker = worker(subjects.map(|subject| {
        let mut spec = served(subject);
        spec.meta.queue = "users";
        spec
    }));
    gateway(&[
        "users",
        "users.get",
        "users.*.get",
        "users.rename",
        "users.*.delete",
    ])
    .with(worker)
}

fn worker(specs: impl IntoIterator<Item = TaskSpec>) -> Permissions {
    let catalog = Catalog::of(specs).expect("the tasks of an example agree");
    Permissions::of(&catalog, PACKAGE).expect("the package's name is a service's")
}

/// A gateway without discovery. `Gateway::permissions` would say it of what is linked in here.
fn gateway(subjects: &[&str]) -> Permissions {
    let alone = Permissions {
        subscribe: vec!["_INBOX_gateway.>".to_owned()],
        publish: subjects
            .iter()
            .copied()
            // What its console asks.
            .chain(["$SRV.STATS"])
            .map(str::to_owned)
            .collect(),
        responses: None,
    };
    alone.with_bucket(BUCKET_DEFAULT, [GATEWAY_KEY.to_owned()])
}

fn served(subject: &'static str) -> TaskSpec {
    at(subject, TaskSpec::of::<Example>())
}

fn declared(subject: &'static str) -> TaskSpec {
    at(subject, TaskSpec::declared::<Example>())
}

fn at(subject: &'static str, mut spec: TaskSpec) -> TaskSpec {
    spec.meta.subject = subject;
    spec
}

/// Written by hand: what the attribute makes would be linked into every test.
struct Example;

#[derive(Deserialize, JsonSchema)]
struct Input {
    #[expect(dead_code, reason = "only its schema matters")]
    id: String,
}

impl Task for Example {
    const META: TaskMeta = TaskMeta {
        name: "example",
        origin: Origin {
            file: file!(),
            line: line!(),
            package: PACKAGE,
            version: "0.1.0",
        },
        ..TaskMeta::DEFAULT
    };
    type Input = Input;
    type Output = ();
    type Kind = Fallible<false>;
}

impl Served for Example {
    fn run(_: &Context, _: Input) -> impl Future<Output = ()> + Send {
        pending()
    }
}
