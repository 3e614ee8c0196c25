//! The configuration of the NATS servers: taken by a real server, with users who may do what their programs print.
//!
//! `METROPOLIS_BLESS=1 cargo test -p metropolis-tests --test deploy permissions` writes the permissions anew; the diff is
//! reviewed as one of who may do what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use metropolis::catalog::Catalog;
use metropolis::permissions::Permissions;
use metropolis_tests::nats_server::Environment;
use metropolis_tests::{NatsServer, Process};
use serde_json::Value;

use crate::object::{Object, of_kind};
use crate::{deploy_dir, render, text};

/// The example worker itself, for what its tasks must be allowed.
#[path = "../../../examples/src/bin/hello-worker.rs"]
#[expect(dead_code, reason = "it is not run here")]
mod hello_worker;

const PASSWORD: &str = "NATS_PASSWORD_";

/// How long printing may take.
const PRINTED_WITHIN: Duration = Duration::from_secs(20);

/// The files of the servers' configuration, by name.
pub(crate) fn configuration(objects: &[Object]) -> BTreeMap<String, String> {
    let mut files = of_kind(objects, "ConfigMap").filter_map(|map| map.at("/data").as_object());
    let files = files.find(|files| files.contains_key("nats.conf")).unwrap();
    let text = |(name, text): (&String, &Value)| (name.clone(), text.as_str().unwrap().to_owned());
    files.iter().map(text).collect()
}

/// The users whose passwords the configuration asks for.
fn users(files: &BTreeMap<String, String>) -> BTreeSet<&str> {
    let lines = files.values().flat_map(|text| text.split(PASSWORD).skip(1));
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    lines
        .filter_map(|rest| rest.split(|c| !is_name(c)).next())
        .filter(|name| !name.is_empty())
        .collect()
}

/// The variables of a server: a password for each user that is made of the user's name, and where a leaf's cluster is.
pub(crate) fn variables(files: &BTreeMap<String, String>, leaf_url: &str) -> Environment {
    let passwords = users(files).into_iter();
    let passwords = passwords.map(|user| (format!("{PASSWORD}{user}"), password_of(user)));
    let others = [
        ("POD_NAME", "metropolis-nats-0"),
        ("NATS_LEAF_URL", leaf_url),
    ];
    let others = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
    passwords.chain(others).collect()
}

pub(crate) fn password_of(user: &str) -> String {
    format!("the-password-of-{user}")
}

/// What the server says to one of the files.
async fn check(
    files: &BTreeMap<String, String>,
    file: &str,
    variables: &Environment,
) -> Result<String, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    NatsServer::check(&dir.path().join(file), variables).await
}

#[tokio::test]
async fn a_real_server_takes_every_configuration() {
    for (set, objects) in render::everything().await {
        let files = configuration(objects);
        let variables = variables(&files, "nats-leaf://leaf:pass@cluster:7422");
        let mains = files
            .keys()
            .filter(|name| ["nats.conf", "leaf.conf"].contains(&name.as_str()));
        for main in mains {
            let checked = check(&files, main, &variables).await;
            checked.unwrap_or_else(|why| panic!("{set}: {main}: {why}"));
        }
        assert_eq!(
            files.contains_key("leaf.conf"),
            files["leafnodes.conf"].contains("port")
        );
    }
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_noticed() {
    let mut files = configuration(&render::ways().await[0].kustomize);
    let variables = variables(&files, "");
    let mistaken = files["nats.conf"].replace("lame_duck_duration", "lame_duck_durration");
    files.insert("nats.conf".to_owned(), mistaken);
    let why = check(&files, "nats.conf", &variables).await.unwrap_err();
    assert!(why.contains("lame_duck_durration"), "{why}");
}

#[tokio::test]
async fn every_user_has_a_password_in_the_secret_and_no_other_is_there() {
    for (set, objects) in render::everything().await {
        let Some(secret) = of_kind(objects, "Secret").next() else {
            continue;
        };
        let files = configuration(objects);
        let keys = secret.at("/data").as_object().unwrap().keys();
        let keys: BTreeSet<&str> = keys.map(String::as_str).collect();
        assert_eq!(keys, users(&files), "{set}");
    }
}

#[tokio::test]
async fn the_passwords_that_helm_makes_are_words_to_the_server_and_differ() {
    let mut seen = BTreeSet::new();
    for rendered in render::ways().await {
        for (user, password) in passwords(&rendered.helm) {
            let mut letters = password.chars();
            assert!(
                letters.next().unwrap().is_ascii_alphabetic(),
                "{user}: {password}"
            );
            assert!(
                letters.all(|c| c.is_ascii_alphanumeric()),
                "{user}: {password}"
            );
            assert!(password.len() > 32, "{user}: {password}");
            assert!(seen.insert(password), "two users have one password");
        }
    }
    assert!(!seen.is_empty());
}

#[tokio::test]
async fn the_placeholders_of_kustomize_are_refused() {
    let objects = &render::ways().await[0].kustomize;
    let files = configuration(objects);
    let good = variables(&files, "");
    for (user, placeholder) in passwords(objects) {
        let name = format!("{PASSWORD}{user}");
        let mut variables = good.clone();
        variables.insert(name.clone(), placeholder);
        let why = check(&files, "nats.conf", &variables).await.unwrap_err();
        assert!(why.contains(&name), "{why}");
    }
}

/// What the Secret holds, by user.
pub(crate) fn passwords(objects: &[Object]) -> Vec<(String, String)> {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let secret = of_kind(objects, "Secret").next();
    let data = secret.unwrap().at("/data").as_object().unwrap();
    let decode = |(user, value): (&String, &Value)| {
        let bytes = BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
        (user.clone(), String::from_utf8(bytes).unwrap())
    };
    data.iter().map(decode).collect()
}

#[tokio::test]
async fn permissions_are_what_the_programs_print() {
    let hello = Permissions::of(&Catalog::linked().unwrap(), "hello").unwrap();
    compare("hello", &format!("{hello}\n"));
    let launch = Process::example("metropolis-gateway").args(["permissions", "--subject", "foo.>"]);
    let mut printing = launch.start().await;
    assert!(printing.wait_exit(PRINTED_WITHIN).await.success());
    compare("gateway", &printing.output());
}

/// Compares what is printed with the file that kustomize and Helm have each.
fn compare(user: &str, printed: &str) {
    for folder in ["kustomize/base/nats", "helm/metropolis/files"] {
        let path = format!("{folder}/{user}.permissions.conf");
        if std::env::var_os("METROPOLIS_BLESS").is_some() {
            std::fs::write(deploy_dir().join(&path), printed).unwrap();
        }
        assert_eq!(
            text(&path),
            printed,
            "{path} differs; METROPOLIS_BLESS=1 accepts"
        );
    }
}
