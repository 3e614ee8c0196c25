use super::super::pulse::SILENT_ROUNDS_MAX;
use super::*;

fn announced(name: &str, id: &str, version: &str) -> Announced {
    Announced {
        id: id.to_owned(),
        instance: id.to_owned(),
        edition: Arc::new(Edition {
            name: name.to_owned(),
            version: version.to_owned(),
            reads_trace_in_reply: false,
            endpoints: Vec::new(),
            left_out: 0,
        }),
        bytes: 100,
    }
}

/// Joins, and has what it offers read at once.
fn join(fleet: &mut Fleet, name: &str, id: &str, version: &str) {
    if let Some(new) = fleet.join(announced(name, id, version)).to_read {
        fleet.settle(new.serial, Ok(Arc::new([])));
    }
}

fn shown(fleet: &Fleet) -> Vec<String> {
    let groups = fleet.groups();
    let line = |group: &Group| {
        let Edition { name, version, .. } = &*group.edition;
        format!("{name} {version} {}", group.instances.join(","))
    };
    groups.iter().map(line).collect()
}

#[test]
fn instances_that_offer_the_same_are_one_group_and_the_last_takes_it_away() {
    let mut fleet = Fleet::default();
    for (id, version) in [("1", "1.0.0"), ("2", "1.0.0"), ("3", "2.0.0")] {
        join(&mut fleet, "a", id, version);
    }
    assert_eq!(shown(&fleet), ["a 1.0.0 1,2", "a 2.0.0 3"]);
    join(&mut fleet, "a", "2", "2.0.0");
    assert_eq!(shown(&fleet), ["a 1.0.0 1", "a 2.0.0 2,3"]);
    assert!(fleet.leave("a", "1"));
    assert!(!fleet.leave("a", "1"));
    assert_eq!(shown(&fleet), ["a 2.0.0 2,3"]);
}

#[test]
fn silence_counts_only_in_rounds_that_were_whole() {
    let mut fleet = Fleet::default();
    join(&mut fleet, "a", "1", "1.0.0");
    for (is_whole, is_heard) in [(true, false), (true, false), (false, false), (true, true)] {
        fleet.begin_round();
        if is_heard {
            fleet.hear("a", "1");
        }
        assert!(!fleet.end_round(is_whole));
    }
    let gone: Vec<bool> = (0..SILENT_ROUNDS_MAX)
        .map(|_| {
            fleet.begin_round();
            fleet.end_round(true)
        })
        .collect();
    assert_eq!(gone, [false, false, true]);
    assert!(shown(&fleet).is_empty());
}

#[test]
fn an_answer_given_before_somebody_left_does_not_bring_them_back() {
    let mut fleet = Fleet::default();
    join(&mut fleet, "a", "1", "1.0.0");
    fleet.begin_round();
    fleet.leave("a", "1");
    join(&mut fleet, "a", "1", "1.0.0");
    assert!(shown(&fleet).is_empty());
    fleet.end_round(true);
    join(&mut fleet, "a", "1", "1.0.0");
    assert_eq!(shown(&fleet), ["a 1.0.0 1"]);
}

#[test]
fn there_is_a_most_of_everything_and_room_again_when_somebody_leaves() {
    let mut fleet = Fleet::default();
    for id in 0..INSTANCES_PER_SERVICE_MAX + 10 {
        join(&mut fleet, "many", &id.to_string(), "1.0.0");
    }
    assert_eq!(fleet.instances.len(), INSTANCES_PER_SERVICE_MAX);
    for name in 0..EDITIONS_MAX + 10 {
        join(&mut fleet, &format!("s{name}"), "1", "1.0.0");
    }
    assert_eq!(fleet.berths.len(), EDITIONS_MAX);
    join(&mut fleet, "late", "1", "1.0.0");
    assert!(!shown(&fleet).contains(&"late 1.0.0 1".to_owned()));
    fleet.leave("s0", "1");
    join(&mut fleet, "late", "1", "1.0.0");
    assert!(shown(&fleet).contains(&"late 1.0.0 1".to_owned()));
    let mut large = announced("large", "1", "1.0.0");
    large.bytes = EDITIONS_BYTES_MAX;
    fleet.leave("s1", "1");
    assert!(fleet.join(large).to_read.is_none());
}
