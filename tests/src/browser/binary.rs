//! Where the browser comes from: the environment, `PATH`, or Debian's package.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::install;

/// What Chromium is called, here and there.
const NAMES: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome",
];

/// The browser to start, looked for once per test process.
pub(super) async fn find() -> PathBuf {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = tokio::task::spawn_blocking(|| FOUND.get_or_init(look))
        .await
        .expect("looking for the browser does not panic");
    match found {
        Ok(binary) => binary.clone(),
        Err(why) => panic!(
            "there is no Chromium to test pages with: {why}\n\
             one of these helps:\n  \
             set METROPOLIS_CHROMIUM to the path of a Chromium or Chrome\n  \
             install one on PATH, as `apt-get install chromium` does\n  \
             run the tests as root on Debian, and they do that themselves"
        ),
    }
}

/// A browser the user names is used or is an error; only the others stand in for one another.
fn look() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("METROPOLIS_CHROMIUM") {
        works(named.as_ref()).map_err(|why| format!("METROPOLIS_CHROMIUM does not work: {why}"))?;
        return Ok(named.into());
    }
    if let Some(binary) = on_path() {
        return Ok(binary);
    }
    install()?;
    on_path().ok_or_else(|| "apt-get has installed it, and it does not start".to_owned())
}

fn on_path() -> Option<PathBuf> {
    let mut names = NAMES.iter().filter(|name| works(name.as_ref()).is_ok());
    names.next().map(PathBuf::from)
}

fn works(binary: &std::ffi::OsStr) -> Result<(), String> {
    install::run(Command::new(binary).args(["--no-sandbox", "--version"])).map(drop)
}

/// Installs Debian's package, as a developer would; one test process does while the others wait.
fn install() -> Result<(), String> {
    let who = install::run(Command::new("id").arg("-u"))?;
    if who.trim() != "0" {
        return Err("it is not on PATH, and only root could install it".to_owned());
    }
    let dir = install::target_dir().join("chromium");
    let installed = install::once(&dir, |_| {
        eprintln!("metropolis-tests: installing Debian's chromium with apt-get");
        apt_get(&["update", "-qq"])?;
        apt_get(&[
            "install",
            "-qq",
            "--yes",
            "--no-install-recommends",
            "chromium",
        ])
    });
    installed.map(drop)
}

fn apt_get(arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("apt-get");
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    install::run(&mut command).map(drop)
}
