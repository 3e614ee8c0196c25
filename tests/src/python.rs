//! One virtual environment with the foreign tools tests are checked against.
//!
//! `requirements.txt` pins every package by hash; it is made from `requirements.in` with
//! `pip-compile --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host`.

use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::install;

const REQUIREMENTS: &str = include_str!("../requirements.txt");

/// The interpreter of the environment, which is made on first use.
///
/// # Panics
///
/// When the environment cannot be made; the message says why.
pub async fn python() -> PathBuf {
    tool("python").await
}

/// The path of a command in the environment, such as `schemathesis` or `openapi-spec-validator`.
///
/// # Panics
///
/// When the environment cannot be made.
pub async fn tool(name: &str) -> PathBuf {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = tokio::task::spawn_blocking(|| MADE.get_or_init(make))
        .await
        .expect("making the environment does not panic");
    match made {
        Ok(dir) => dir.join("bin").join(name),
        Err(why) => panic!(
            "there is no Python environment for the foreign tools: {why}\n\
             it takes Python 3.11 or newer with `venv`, and a pip that can reach its index"
        ),
    }
}

/// Runs a script, given as text, with arguments, and returns what came of it.
///
/// The script is killed when the future is dropped, so a deadline around the call is enough.
///
/// # Panics
///
/// When the environment cannot be made. A script that fails does not panic; see its status.
pub async fn run_python<S: AsRef<OsStr>>(
    script: &str,
    args: impl IntoIterator<Item = S>,
) -> Output {
    tokio::process::Command::new(python().await)
        .arg("-c")
        .arg(script)
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("the environment holds a Python that runs")
}

/// The directory's name holds a hash of the pins, so a changed lock makes a new environment. The
/// hash may change with the Rust release too, which only costs one more installation.
fn make() -> Result<PathBuf, String> {
    let mut hasher = DefaultHasher::new();
    REQUIREMENTS.hash(&mut hasher);
    let name = format!("python-{:016x}", hasher.finish());
    install::once(&install::target_dir().join(name), |dir| {
        eprintln!(
            "metropolis-tests: installing the Python tools into {}",
            dir.display()
        );
        fill(dir)
    })
}

fn fill(dir: &Path) -> Result<(), String> {
    let requirements = dir.join("requirements.txt");
    std::fs::write(&requirements, REQUIREMENTS).map_err(|error| error.to_string())?;
    install::run(Command::new("python3").args(["-m", "venv"]).arg(dir))?;
    let mut pip = Command::new(dir.join("bin/python"));
    pip.args("-m pip install --quiet --require-hashes --requirement".split(' '))
        .arg(requirements);
    install::run(&mut pip).map(drop)
}
