//! The images: what the Dockerfile says, what is sent to the builder, and that all who name a version name the same.

use std::path::Path;
use std::process::Command;

use metropolis_tests::kubernetes;
use metropolis_tests::nats_server::PINNED;
use metropolis_tests::python;
use serde_json::Value;

use crate::object::{containers, items};
use crate::{deploy_dir, project_dir, render, text, yaml};

/// The version of all crates, of the images and of the chart.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[tokio::test]
async fn hadolint_has_nothing_to_say_of_the_dockerfile() {
    let mut hadolint = Command::new(python::tool("hadolint").await);
    let output = hadolint
        .arg(deploy_dir().join("Dockerfile"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[tokio::test]
async fn hadolint_notices_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("Dockerfile");
    std::fs::write(&file, "FROM debian:latest\nRUN cd / && ls\n").unwrap();
    let mut hadolint = Command::new(python::tool("hadolint").await);
    let output = hadolint.arg(file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        !output.status.success() && said.contains("DL3007"),
        "{said}"
    );
}

#[test]
fn images_are_small_pinned_and_not_root() {
    let dockerfile = text("Dockerfile");
    let stages: Vec<&str> = instructions(&dockerfile, "FROM").collect();
    let names: Vec<&str> = stages
        .iter()
        .filter_map(|stage| stage.split(" AS ").nth(1))
        .collect();
    assert_eq!(names, ["build", "runtime", "worker", "gateway"]);
    // Debian 13 is trixie; a newer C library in the first stage would be missed in the second.
    let builder = stages[0].split(" AS ").next().unwrap();
    let rust = concat!("rust:", env!("CARGO_PKG_RUST_VERSION"), "-slim-trixie");
    assert_eq!(builder, rust);
    assert!(stages[1].starts_with("gcr.io/distroless/cc-debian13:nonroot "));
    assert!(
        stages[2..]
            .iter()
            .all(|stage| stage.starts_with("runtime "))
    );
    let users: Vec<&str> = instructions(&dockerfile, "USER").collect();
    assert_eq!(users, ["65532:65532"]);
}

/// The arguments of every instruction of a kind.
fn instructions<'a>(dockerfile: &'a str, kind: &str) -> impl Iterator<Item = &'a str> {
    dockerfile
        .lines()
        .filter_map(move |line| line.strip_prefix(kind)?.strip_prefix(' '))
}

#[test]
fn the_builder_gets_all_that_cargo_reads_and_nothing_else() {
    let rules = std::fs::read_to_string(project_dir().join(".dockerignore")).unwrap();
    let rules = rules
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rules: Vec<&str> = rules.collect();
    assert_eq!(rules[0], "*");
    let context = tempfile::tempdir().unwrap();
    for rule in &rules[1..] {
        let name = rule.strip_prefix('!').unwrap();
        assert!(
            !name.contains(['*', '/']),
            "this test reads plain names alone: {rule}"
        );
        copy(&project_dir().join(name), &context.path().join(name));
    }
    // Reads every member and the lock file; whatever is missing of either is an error.
    cargo(context.path(), "tree --locked --offline --workspace");
    let metadata = cargo(context.path(), "metadata --no-deps --format-version 1");
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let targets = items(&metadata["packages"]).flat_map(|package| items(&package["targets"]));
    let names: Vec<&str> = targets
        .filter_map(|target| target["name"].as_str())
        .collect();
    assert!(
        names.contains(&"metropolis-gateway") && names.contains(&"hello-worker"),
        "{names:?}"
    );
}

fn cargo(dir: &Path, args: &str) -> String {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap());
    let output = cargo
        .args(args.split(' '))
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Copies a file or a folder, but for what Cargo builds into it.
fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        std::fs::copy(from, to).unwrap();
        return;
    }
    std::fs::create_dir(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "target" {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    }
}

#[tokio::test]
async fn every_version_of_metropolis_is_this_one() {
    let chart = &yaml::documents(&text("helm/metropolis/Chart.yaml"))[0];
    assert_eq!(chart["appVersion"], VERSION);
    for rendered in render::ways().await {
        let objects = rendered.kustomize.iter().chain(&rendered.helm);
        let images = objects
            .filter_map(|object| object.pod())
            .flat_map(containers);
        let images = images.map(|container| container["image"].as_str().unwrap());
        for image in images.filter(|image| image.starts_with("metropolis-")) {
            assert_eq!(image.split_once(':').unwrap().1, VERSION);
        }
    }
    let compose = &yaml::documents(&text("compose.yaml"))[0];
    for service in ["gateway", "worker"] {
        let image = compose["services"][service]["image"].as_str().unwrap();
        assert_eq!(image.split_once(':').unwrap().1, VERSION);
    }
}

#[tokio::test]
async fn every_nats_is_the_same_and_as_new_as_the_tested_one() {
    let objects = render::everything()
        .await
        .iter()
        .flat_map(|(_, objects)| objects);
    let images = objects
        .filter_map(|object| object.pod())
        .flat_map(containers);
    let mut images: Vec<String> = images
        .filter_map(|container| container["image"].as_str())
        .filter(|image| image.starts_with("nats:"))
        .map(str::to_owned)
        .collect();
    let compose = &yaml::documents(&text("compose.yaml"))[0];
    images.push(
        compose["services"]["nats"]["image"]
            .as_str()
            .unwrap()
            .to_owned(),
    );
    images.sort_unstable();
    images.dedup();
    let [image] = &images[..] else {
        panic!("several: {images:?}")
    };
    let minor = |version: &str| version.rsplit_once('.').unwrap().0.to_owned();
    assert_eq!(minor(image.strip_prefix("nats:").unwrap()), minor(PINNED));
}

#[tokio::test]
async fn the_chart_takes_no_value_that_means_nothing() {
    for (value, expected) in [
        ("nats.replicsa=1", "replicsa"),
        ("nats.replicas=2", "replicas"),
        ("workers.gateway.image=x", "gateway"),
        ("environment.METROPOLIS_NATS_URL=x", "METROPOLIS_NATS_URL"),
        ("gateway.permissions=all", "permissions"),
        ("ingress.host=", "host"),
    ] {
        let why = render::chart("metropolis", &["--set", value])
            .await
            .unwrap_err();
        assert!(why.contains(expected), "{value}: {why}");
    }
    let own = r#"workers.mine={"image":"x","autoscaling":{"min":2,"max":2,"cpuPercent":50},"resources":{}}"#;
    let why = render::chart("metropolis", &["--set-json", own])
        .await
        .unwrap_err();
    assert!(why.contains("workers.mine.permissions is missing"), "{why}");
}

#[tokio::test]
async fn helm_lints_the_chart() {
    let mut helm = Command::new(kubernetes::helm().await);
    helm.args(["lint", "--strict"])
        .arg(deploy_dir().join("helm/metropolis"));
    let output = helm.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
