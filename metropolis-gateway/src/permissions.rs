//! Permissions: the least a gateway needs of a NATS server. The worker's side is [`metropolis::permissions()`].
//!
//! A gateway asks and is answered; it replies to nobody, so it needs no responses. Where it looks for services, their
//! subjects are not known before they are there, and whoever runs it has to name them.

use std::collections::BTreeSet;
use std::sync::Arc;

use metropolis::catalog::{Problem, Problems};
use metropolis::config::check_bucket;
use metropolis::live::GATEWAY_KEY;
use metropolis::permissions::Permissions;
use metropolis::service::{ANNOUNCE, CONTRACT, INFO, LEAVE, PING, STATS};
use metropolis::subject::Pattern;

use crate::operation::Operation;

/// Where a gateway hears answers.
const INBOX: &str = "_INBOX_gateway.>";

/// What a gateway needs that has these routes of its own and looks for no services.
pub(crate) fn alone(own: &[Arc<Operation>]) -> Permissions {
    let routed = own.iter().filter(|operation| operation.route.is_some());
    // Several methods of one path may be one subject.
    let called: BTreeSet<String> = routed.map(|operation| operation.pattern.filter()).collect();
    Permissions {
        subscribe: vec![INBOX.to_owned()],
        publish: called.into_iter().collect(),
        responses: None,
    }
}

/// What a gateway needs in addition to show in its console how services are doing.
pub(crate) fn with_console(mut permissions: Permissions) -> Permissions {
    permissions.publish.push(STATS.to_owned());
    permissions
}

/// What a gateway needs in addition to look for services and to call them on these subjects.
///
/// # Errors
/// With every subject that cannot be permitted.
pub(crate) fn with_discovery(
    mut permissions: Permissions,
    subjects: &[String],
) -> Result<Permissions, Problems> {
    permissions
        .subscribe
        .extend([ANNOUNCE, LEAVE].map(|topic| format!("{topic}.*.*")));
    permissions
        .publish
        .extend([PING.to_owned(), INFO.to_owned(), format!("{CONTRACT}.*")]);
    for filter in filters(subjects)? {
        if !permissions.publish.contains(&filter) {
            permissions.publish.push(filter);
        }
    }
    Ok(permissions)
}

/// What a gateway needs in addition to follow its configuration in a bucket.
///
/// # Errors
/// When the name is no name of a bucket.
pub(crate) fn with_bucket(permissions: Permissions, bucket: &str) -> Result<Permissions, Problems> {
    check_bucket(bucket).map_err(|why| Problems(vec![Problem::new(why)]))?;
    Ok(permissions.with_bucket(bucket, [GATEWAY_KEY.to_owned()]))
}

fn filters(subjects: &[String]) -> Result<Vec<String>, Problems> {
    let (mut filters, mut problems) = (Vec::new(), Vec::new());
    for subject in subjects {
        match filter(subject) {
            Ok(filter) => filters.push(filter),
            Err(problem) => problems.push(problem),
        }
    }
    Problems(problems).check().map(|()| filters)
}

/// A subject as a task declares it, or everything below one. A bare `>` is no such thing: it would permit the subjects
/// of NATS and of the framework as well.
fn filter(subject: &str) -> Result<String, Problem> {
    let (stem, below) = match subject.strip_suffix(".>") {
        Some(stem) => (stem, ".>"),
        None => (subject, ""),
    };
    let pattern = Pattern::parse(stem).map_err(|error| {
        Problem::new(format!("`{subject}` cannot be permitted: {error}"))
            .help("write `users.{id}.get` for one subject, `users.>` for all below `users`")
    })?;
    Ok(format!("{}{below}", pattern.filter()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use metropolis::permissions::Responses;

    use super::*;
    use crate::fixed::{self, StaticRoute};

    #[test]
    fn a_subject_is_permitted_as_declared_or_with_all_below_it() {
        for (subject, expected) in [
            ("users.get", Some("users.get")),
            ("users.{id}.get", Some("users.*.get")),
            ("users.>", Some("users.>")),
            ("users.{id}.>", Some("users.*.>")),
            (">", None),
            ("{any}.>", None),
            ("*.get", None),
            ("$SYS.>", None),
            ("metropolis.>", None),
            ("_INBOX.>", None),
            ("users.>.get", None),
            ("users.\"]", None),
            ("", None),
        ] {
            assert_eq!(filter(subject).ok().as_deref(), expected, "{subject}");
        }
    }

    #[test]
    fn a_gateway_without_discovery_or_routes_needs_its_inbox_alone() {
        let text = "permissions: {\n  subscribe: { allow: [\n    \"_INBOX_gateway.>\"\n  ] }\n  \
                    publish: { deny: [\n    \">\"\n  ] }\n}";
        assert_eq!(alone(&[]).to_string(), text);
    }

    #[test]
    fn a_worker_on_the_same_connection_adds_what_is_its_own() {
        let lines = |lines: &[&str]| lines.iter().copied().map(str::to_owned).collect();
        let responses = Responses {
            max: 1,
            expires: Duration::from_secs(7),
        };
        let worker = Permissions {
            subscribe: lines(&["a.b worker", PING, "_INBOX_worker.>"]),
            publish: lines(&["metropolis.leave.a.*", INFO, "c.d"]),
            responses: Some(responses),
        };
        let subjects = ["a.b", "c.d"].map(str::to_owned);
        let gateway = with_discovery(alone(&[]), &subjects).expect("good subjects");
        let both = gateway.clone().with(worker);
        let [subscribe, publish] = [
            (gateway.subscribe, &["a.b worker", PING][..]),
            (gateway.publish, &["metropolis.leave.a.*"][..]),
        ]
        .map(|(of_gateway, new)| [of_gateway, lines(new)].concat());
        let expected = Permissions {
            subscribe,
            publish,
            responses: Some(responses),
        };
        assert_eq!(both, expected);
    }

    #[test]
    fn what_has_a_route_may_be_called_and_stands_there_once() {
        let routes = [
            StaticRoute::new("GET /a/{id}", "a.{id}"),
            StaticRoute::new("PUT /a/{id}", "a.{id}"),
            StaticRoute::new("GET /hidden", "hidden"),
        ];
        let mut own = fixed::beside(Vec::new(), &routes).expect("good routes");
        Arc::make_mut(&mut own[2]).route = None;
        let subjects = ["a.{key}", "b.>"].map(str::to_owned);
        let permissions = with_discovery(alone(&own), &subjects).expect("good subjects");
        let expected = ["a.*", PING, INFO, "metropolis.contract.*", "b.>"];
        assert_eq!(permissions.publish, expected);
    }
}
