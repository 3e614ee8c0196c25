//! Rendering: what `kubectl kustomize` and `helm template` make of the files.

use std::path::Path;

use metropolis_tests::kubernetes::{RELEASE, helm, kubectl};
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::object::Object;
use crate::{deploy_dir, yaml};

/// One way to deploy, spelled in both tools.
#[derive(Debug)]
pub(crate) struct Way {
    /// The folder for kustomize, in `deploy/kustomize`.
    pub(crate) folder: &'static str,
    /// The values for Helm.
    values: &'static [&'static str],
}

const WAYS: [Way; 3] = [
    Way {
        folder: "base",
        values: &[],
    },
    Way {
        folder: "overlays/keda",
        values: &["keda.enabled=true"],
    },
    Way {
        folder: "overlays/leaf",
        values: &["nats.leaf.enabled=true"],
    },
];

/// What one way to deploy becomes.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) way: &'static Way,
    pub(crate) kustomize: Vec<Object>,
    pub(crate) helm: Vec<Object>,
}

/// Every way, rendered by both tools, once for all tests.
pub(crate) async fn ways() -> &'static [Rendered] {
    static RENDERED: OnceCell<Vec<Rendered>> = OnceCell::const_new();
    RENDERED.get_or_init(all_ways).await
}

async fn all_ways() -> Vec<Rendered> {
    let mut rendered = Vec::new();
    for way in &WAYS {
        let values = way.values.iter().flat_map(|value| ["--set", value]);
        rendered.push(Rendered {
            way,
            kustomize: kustomize(&deploy_dir().join("kustomize").join(way.folder)).await,
            helm: chart("metropolis", &values.collect::<Vec<_>>())
                .await
                .unwrap(),
        });
    }
    rendered
}

/// Everything that is rendered at all, once for all tests: each set with a title. Beside the ways these are charts with
/// other values.
pub(crate) async fn everything() -> &'static [(String, Vec<Object>)] {
    static RENDERED: OnceCell<Vec<(String, Vec<Object>)>> = OnceCell::const_new();
    RENDERED.get_or_init(all_sets).await
}

async fn all_sets() -> Vec<(String, Vec<Object>)> {
    let mut sets = Vec::new();
    for rendered in ways().await {
        let folder = rendered.way.folder;
        sets.push((format!("kustomize {folder}"), rendered.kustomize.clone()));
        sets.push((format!("helm for {folder}"), rendered.helm.clone()));
    }
    for values in ["bare", "full"] {
        let path = format!(
            "{}/tests/deploy/values/{values}.yaml",
            env!("CARGO_MANIFEST_DIR")
        );
        let objects = chart("shop", &["--values", &path]).await.unwrap();
        sets.push((format!("helm with {values}.yaml"), objects));
    }
    sets
}

/// Renders a folder with kustomize.
pub(crate) async fn kustomize(folder: &Path) -> Vec<Object> {
    let mut command = Command::new(kubectl().await);
    command.arg("kustomize").arg(folder);
    objects(command).await.unwrap()
}

/// Renders the chart for a release of this name, or gives what Helm has against it.
pub(crate) async fn chart(release: &str, args: &[&str]) -> Result<Vec<Object>, String> {
    let mut command = Command::new(helm().await);
    command
        .args(["template", release])
        .arg(deploy_dir().join("helm/metropolis"))
        .args(["--namespace", "metropolis", "--kube-version", RELEASE])
        .args(args);
    objects(command).await
}

async fn objects(mut command: Command) -> Result<Vec<Object>, String> {
    let output = command.output().await.unwrap();
    if !output.status.success() {
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    let documents = yaml::documents(&String::from_utf8(output.stdout).unwrap());
    assert!(!documents.is_empty(), "nothing came of {command:?}");
    Ok(documents.into_iter().map(Object).collect())
}
