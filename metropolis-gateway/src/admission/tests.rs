use super::*;

/// An edition whose endpoints are subjects, each perhaps with a route of its own: `a.b` or `a.b > GET /a`.
fn group(serial: u64, name: &str, version: &str, endpoints: &[&str]) -> Group {
    let endpoints = endpoints
        .iter()
        .map(|text| offered(text))
        .collect::<Vec<_>>();
    Group {
        serial,
        promises: Ok(endpoints.iter().map(|_| None).collect()),
        edition: Arc::new(Edition {
            name: name.to_owned(),
            version: version.to_owned(),
            reads_trace_in_reply: false,
            endpoints,
            left_out: 0,
        }),
        instances: vec![format!("i{serial}")],
    }
}

fn offered(text: &str) -> Offered {
    let (subject, http) = match text.split_once(" > ") {
        Some((subject, http)) => (subject, Some(http.to_owned())),
        None => (text, None),
    };
    let tokens = subject.split('.');
    let filter = tokens.map(|token| if token.starts_with('{') { "*" } else { token });
    Offered {
        name: "e".to_owned(),
        subject: filter.collect::<Vec<_>>().join("."),
        queue: "q".to_owned(),
        http,
        pattern: Some(subject.to_owned()),
        timeout_ms: None,
        contract: None,
    }
}

/// Who is served, with the routes, and who is not, with the reason.
fn check(own: &[Arc<Operation>], groups: &[Group], served: &[u64], expected: &[&str]) {
    let admitted = admit(own, &seen(groups), &served.iter().copied().collect());
    let routes = admitted.operations.iter().filter_map(|operation| {
        let route = operation.route.as_ref()?;
        Some(format!("{} > {route}", operation.service))
    });
    let quarantined = admitted.quarantined.iter();
    let quarantined = quarantined.map(|it| {
        let version = it.version.as_deref().unwrap_or_default();
        format!("{} {version}: {}", it.service, it.reason)
    });
    let found: Vec<String> = routes.chain(quarantined).collect();
    assert_eq!(found, expected);
}

fn seen(groups: &[Group]) -> Seen {
    Seen {
        groups: groups.to_vec(),
        ..Seen::default()
    }
}

/// An operation that is linked in.
fn linked(text: &str) -> Arc<Operation> {
    let linked = group(0, "linked", "1.0.0", &[text]);
    let mut operation = operations(&linked).expect("a good endpoint").remove(0);
    operation.source = Source::Declared;
    Arc::new(operation)
}

#[test]
fn whoever_has_a_route_keeps_it_and_of_two_new_ones_the_order_of_names_decides() {
    let [a, b] = [
        group(2, "a", "1.0.0", &["a.x > GET /x"]),
        group(1, "b", "1.0.0", &["b.x > GET /x"]),
    ];
    let b_waits = "b 1.0.0: the route `GET /x` belongs to `a.x` of the service `a`";
    let a_waits = "a 1.0.0: the route `GET /x` belongs to `b.x` of the service `b`";
    for groups in [[a.clone(), b.clone()], [b.clone(), a.clone()]] {
        check(&[], &groups, &[], &["a > GET /x", b_waits]);
        check(&[], &groups, &[2], &["a > GET /x", b_waits]);
        check(&[], &groups, &[1], &["b > GET /x", a_waits]);
    }
}

#[test]
fn versions_of_one_service_serve_side_by_side() {
    let groups = [
        group(1, "a", "1.0.0", &["a.x", "a.old"]),
        group(2, "a", "1.10.0", &["a.x", "a.new"]),
    ];
    for served in [&[][..], &[1], &[2], &[1, 2]] {
        let expected = ["a > POST /a/new", "a > POST /a/old", "a > POST /a/x"];
        check(&[], &groups, served, &expected);
    }
}

#[test]
fn what_is_linked_in_wins_even_over_who_came_before() {
    let own = [linked("own.task"), linked("own.{id}.get")];
    let mine = ["linked > POST /own/task", "linked > GET /own/{id}"];
    let with = |reason: &str| {
        let line = format!("a 1.0.0: {reason}");
        [mine[1].to_owned(), mine[0].to_owned(), line]
    };
    for (endpoint, reason) in [
        (
            "a.x > POST /own/task",
            "the route `POST /own/task` belongs to the linked task `own.task`",
        ),
        (
            "a.x > GET /own/me",
            "the route `GET /own/me` would take requests from the linked task `own.{id}.get`",
        ),
        (
            "a.x > DELETE /own/me",
            "the route `DELETE /own/me` would take requests from the linked task `own.{id}.get`",
        ),
        (
            "own.me.get > POST /free",
            "some requests on `own.me.get` would also reach the linked task `own.{id}.get`",
        ),
    ] {
        let expected = with(reason);
        let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        // By subject, `own.task` comes before `own.{id}.get`.
        expected.swap(0, 1);
        check(
            &own,
            &[group(1, "a", "1.0.0", &[endpoint])],
            &[1],
            &expected,
        );
    }
    // The worker of a linked declaration adds no route, not even by another name.
    let served = group(1, "a", "1.0.0", &["own.task > GET /other", "a.y"]);
    check(&own, &[served], &[], &["a > POST /a/y", mine[0], mine[1]]);
}

#[test]
fn an_edition_is_taken_as_a_whole_or_not_at_all() {
    let at_odds = group(1, "a", "1.0.0", &["a.x", "a.y > POST /a/x"]);
    let reason = "a 1.0.0: the route `POST /a/x` belongs to `a.x` of the service `a`";
    check(&[], &[at_odds], &[], &[reason]);
    let doubled = group(1, "a", "1.0.0", &["a.x", "a.x"]);
    check(&[], &[doubled], &[], &["a > POST /a/x"]);
}

#[test]
fn a_reason_is_one_line_of_bounded_length() {
    let evil = group(1, "a", "1\n2", &["a.\u{1b}[31m\r\n.b"]);
    let admitted = admit(&[], &seen(&[evil]), &HashSet::new());
    let line = &admitted.quarantined[0];
    let version = line.version.as_deref().expect("it was read");
    assert!(!format!("{}{version}", line.reason).contains(char::is_control));
    assert!(line.reason.chars().count() <= REASON_MAX);
}

#[test]
fn announcements_that_cannot_be_read_are_lines_of_those_who_made_them() {
    let unread = [
        ("a", "1", "is odd"),
        ("b", "1", "is odd"),
        ("a", "2", "is odd"),
        ("a", "3", "is\nlarge"),
    ];
    let seen = Seen {
        unread: unread
            .map(|(service, id, why)| Unread {
                service: service.to_owned(),
                id: id.to_owned(),
                why: why.to_owned(),
            })
            .into(),
        unread_answers: 7,
        ..seen(&[group(1, "a", "1.0.0", &["a.x"])])
    };
    let admitted = admit(&[], &seen, &HashSet::new());
    let lines = admitted.quarantined.iter();
    let lines: Vec<String> = lines
        .map(|it| {
            format!(
                "{} {:?} {}: {}",
                it.service,
                it.version,
                it.instances.join(","),
                it.reason
            )
        })
        .collect();
    let expected = [
        "a None 3: its announcement is\u{fffd}large",
        "a None 1,2: its announcement is odd",
        "b None 1: its announcement is odd",
    ];
    assert_eq!(
        (lines, admitted.unread_answers),
        (expected.map(str::to_owned).into(), 7)
    );
    assert_eq!(admitted.services.len(), 1);
}

/// One that says that it reads traces in reply subjects.
fn reading(mut group: Group) -> Group {
    let edition = Arc::get_mut(&mut group.edition).expect("nobody shares it yet");
    edition.reads_trace_in_reply = true;
    group
}

#[test]
fn workers_read_traces_in_reply_subjects_where_all_who_subscribe_say_so() {
    let new = || reading(group(1, "a", "2.0.0", &["a.x", "a.{id}.get"]));
    let have = |own: &[Arc<Operation>], seen: &Seen, subject: &str| {
        let admitted = admit(own, seen, &HashSet::new());
        let mut operations = admitted.operations.iter();
        let operation = operations.find(|operation| operation.pattern.as_str() == subject);
        admitted.readers.have(operation.expect("it is served"))
    };
    let alone = seen(&[new()]);
    assert!(have(&[], &alone, "a.x"));
    assert!(have(&[], &alone, "a.{id}.get"));

    // What counts is who subscribes, not which package declares it.
    assert!(have(&[linked("a.x")], &alone, "a.x"));
    let mut declared = Operation::clone(&linked("foreign.x"));
    declared.service = "a".to_owned();
    assert!(!have(&[Arc::new(declared)], &alone, "foreign.x"));
    let mut fixed = Operation::clone(&linked("a.x"));
    fixed.source = Source::Fixed;
    assert!(!have(&[Arc::new(fixed)], &alone, "a.x"));

    let old = group(2, "a", "1.0.0", &["a.x"]);
    assert!(!have(&[], &seen(&[new(), old.clone()]), "a.x"));
    assert!(have(&[], &seen(&[new(), old]), "a.{id}.get"));
    let other = group(3, "b", "1.0.0", &["a.x"]);
    assert!(!have(&[], &seen(&[new(), other]), "a.x"));
    let quarantined = group(4, "c", "1.0.0", &["a.x", "a.y > GET /_routes"]);
    let with_quarantined = seen(&[new(), quarantined]);
    let admitted = admit(&[], &with_quarantined, &HashSet::new());
    assert_eq!(admitted.quarantined.len(), 1);
    assert!(!have(&[], &with_quarantined, "a.x"));
    let with_unread = Seen {
        unread: vec![Unread {
            service: "a".to_owned(),
            id: "i".to_owned(),
            why: "is nothing".to_owned(),
        }],
        ..seen(&[new()])
    };
    assert!(!have(&[], &with_unread, "a.x"));
}
