//! The overlay that the page shows, rendered as a reader would.

use std::path::Path;
use std::process::Command;

use crate::object::{Object, containers, of_kind};
use crate::{deploy_dir, render, text};

/// The text of the only block of a language that contains a word.
fn block(language: &str, word: &str) -> String {
    let page = text("README.md");
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    let found: Vec<&str> = blocks.filter(|block| block.contains(word)).collect();
    assert_eq!(found.len(), 1, "{word}");
    found[0].to_owned()
}

#[tokio::test]
async fn the_overlay_on_the_page_brings_its_own_names_and_passwords() {
    let dir = tempfile::tempdir().unwrap();
    let kustomize = dir.path().join("kustomize");
    copy(&deploy_dir().join("kustomize"), &kustomize);
    let mine = kustomize.join("overlays/mine");
    std::fs::create_dir(&mine).unwrap();
    std::fs::write(
        mine.join("kustomization.yaml"),
        block("yaml", "kind: Kustomization"),
    )
    .unwrap();
    let passwords =
        ["gateway", "hello", "operator", "sys", "leaf"].map(|user| format!("{user}=p{user}\n"));
    std::fs::write(mine.join("passwords.env"), passwords.concat()).unwrap();
    let objects = render::kustomize(&mine).await;

    let ingress = of_kind(&objects, "Ingress").next().unwrap();
    assert_eq!(ingress.at("/spec/rules/0/host"), "api.example.com");
    assert_eq!(of_kind(&objects, "ServiceMonitor").count(), 0);
    assert_eq!(of_kind(&objects, "ScaledObject").count(), 1);
    assert_eq!(of_kind(&objects, "DaemonSet").count(), 1);
    for (user, password) in crate::nats::passwords(&objects) {
        assert_eq!(password, format!("p{user}"));
    }
    for pod in of_kind(&objects, "Deployment").filter_map(Object::pod) {
        let image = containers(pod)[0]["image"].as_str().unwrap();
        assert!(
            image.starts_with("registry.example.com/metropolis-"),
            "{image}"
        );
    }
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(status.unwrap().success());
}
