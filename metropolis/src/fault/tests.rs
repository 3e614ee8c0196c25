use serde::Serialize;
use serde_json::json;

use super::*;

#[derive(Debug, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
enum Refusal {
    #[error("gone")]
    Gone,
    #[error("no user {0}")]
    NoUser(u32),
    #[error("{from} to {to}")]
    Range { from: u8, to: u8 },
}

#[test]
fn the_fields_of_a_variant_come_without_its_name() {
    assert_eq!(DataOf(&Refusal::Gone).data(), None);
    assert_eq!(DataOf(&Refusal::NoUser(5)).data(), Some(json!(5)));
    assert_eq!(
        DataOf(&Refusal::Range { from: 1, to: 2 }).data(),
        Some(json!({"from": 1, "to": 2}))
    );
}

#[test]
fn an_error_that_cannot_be_serialised_has_no_data() {
    struct Plain;
    assert_eq!(DataOf(&Plain).data(), None);
}

#[test]
fn any_error_becomes_a_500_that_tells_strangers_nothing() {
    let fault = Fault::from(std::io::Error::other("the password is 1234"));
    assert_eq!(
        (fault.status(), fault.code(), fault.message()),
        (500, "internal", "internal error")
    );
    assert!(
        fault
            .cause()
            .is_some_and(|cause| cause.to_string().contains("1234"))
    );
    assert!(Fault::from("a text").cause().is_some());
}

#[test]
fn a_status_out_of_range_counts_as_500() {
    for (given, kept) in [
        (400, 400),
        (407, 500),
        (200, 500),
        (599, 599),
        (600, 500),
        (0, 500),
    ] {
        assert_eq!(Fault::new(given, "c", "m").status(), kept, "{given}");
    }
}
