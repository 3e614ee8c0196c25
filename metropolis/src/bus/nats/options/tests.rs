#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn target(urls: &[&str]) -> Result<Target, ConnectError> {
    let urls = urls.iter().map(|url| (*url).to_owned()).collect();
    NatsOptions {
        urls,
        ..NatsOptions::new("", "test")
    }
    .target()
}

fn user(name: &str, password: &str) -> Credentials {
    Credentials::User {
        name: name.to_owned(),
        password: password.to_owned(),
    }
}

#[test]
fn credentials_are_taken_out_of_the_addresses() {
    let target = target(&["nats://us%40er:p%3Aw@one:4222", "nats://two"]).unwrap();
    assert!(target.credentials == user("us@er", "p:w"));
    assert_eq!(target.servers(), "nats://one:4222, nats://two:4222");
    assert!(
        self::target(&["token@host"]).unwrap().credentials
            == Credentials::Token("token".to_owned())
    );
    assert!(self::target(&["localhost:4222"]).unwrap().credentials == Credentials::None);
}

#[test]
fn what_is_no_address_is_named_without_its_credentials() {
    for url in [
        "http://me:secret@host",
        "nats://me:secret@",
        "nats://me:secret@host:port",
        "me:secret@:x",
        "ws://me:secret@host",
    ] {
        let error = target(&[url]).err().unwrap();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }
    assert_eq!(target(&[]).err(), Some(ConnectError::NoUrl));
    assert!(target(&["nats://a:b@one", "nats://c:d@two"]).is_err());
}

#[test]
fn the_options_show_no_credentials() {
    let options = NatsOptions::new("nats://me:secret@host:4222", "worker");
    let shown = format!("{options:?}");
    assert!(
        shown.contains("nats://host:4222") && !shown.contains("secret"),
        "{shown}"
    );
}

#[test]
fn a_role_is_one_plain_token() {
    for role in ["", "a b", "a.b", "*", "wörker", &"x".repeat(33)] {
        assert!(
            matches!(
                NatsOptions::new("host", role).target(),
                Err(ConnectError::Role { .. })
            ),
            "{role}"
        );
    }
}
