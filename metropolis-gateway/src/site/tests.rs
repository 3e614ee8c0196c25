use metropolis::task::{Fallible, Origin, Task};
use metropolis::{TaskMeta, TaskSpec};

use super::*;

/// Tasks made by hand are linked nowhere, so the catalogs of other tests do not have them.
macro_rules! task {
    ($name:ident, $http:literal) => {
        struct $name;

        impl Task for $name {
            const META: TaskMeta = TaskMeta {
                name: stringify!($name),
                subject: concat!("made.", stringify!($name)),
                http: Some($http),
                origin: Origin {
                    file: "made.rs",
                    line: 1,
                    package: "made",
                    version: "1.0.0",
                },
                ..TaskMeta::DEFAULT
            };
            type Input = serde_json::Value;
            type Output = u32;
            type Kind = Fallible<false>;
        }
    };
}

task!(Health, "POST /healthz");
task!(Console, "GET /_console/a/b");
task!(Docs, "GET /docs/a");

/// A site of these tasks alone.
pub(crate) fn site(specs: impl IntoIterator<Item = TaskSpec>) -> Result<Site, Problems> {
    let catalog = Catalog::of(specs).expect("a good catalog");
    let plan = Plan {
        bus: Bus::embedded(),
        body_max: 1,
        headers: Vec::new(),
        is_local: false,
        address: None,
        pages: Pages {
            docs: true,
            console: true,
        },
        fixed: Vec::new(),
        discovery: None,
        bucket: None,
        metrics: true,
        trusts_traces: false,
    };
    Site::new(&catalog, plan)
}

#[tokio::test]
async fn all_paths_that_are_the_gateways_own_are_reported_at_once() {
    let specs = [
        TaskSpec::declared::<Health>(),
        TaskSpec::declared::<Console>(),
    ];
    let problems = site(specs).expect_err("two collisions");
    assert_eq!(
        problems.to_string(),
        "2 problems\nthe path of the route `GET /_console/a/b` is the gateway's own\n  Console  made.rs:1  made.Console\n  \
         give the task another route: `http = \"METHOD /path\"`, or `http = \"none\"`\n\
         the path of the route `POST /healthz` is the gateway's own\n  Health  made.rs:1  made.Health\n  \
         give the task another route: `http = \"METHOD /path\"`, or `http = \"none\"`"
    );
}

#[tokio::test]
async fn what_only_begins_like_a_path_of_the_gateway_is_free() {
    assert!(site([TaskSpec::declared::<Docs>()]).is_ok());
}
