//! Prometheus' own `promtool`, found on `PATH` or installed from Debian's package, and its verdicts.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::install;

/// Says what `promtool check metrics` finds wrong with what a `/metrics` has answered; nothing if it is empty.
pub async fn complaints_about_metrics(text: &str) -> String {
    promtool(&["check", "metrics"], text.to_owned()).await
}

/// The same about a file of rules, which is how queries are checked.
pub async fn complaints_about_rules(rules: &str) -> String {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), rules).expect("a temporary file takes it");
    let path = file.path().to_str().expect("a temporary path is text");
    promtool(&["check", "rules", path], String::new()).await
}

/// Runs it; the answer is what it said, unless it was content.
async fn promtool(args: &[&str], input: String) -> String {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let running = tokio::task::spawn_blocking(move || {
        static FOUND: OnceLock<Result<(), String>> = OnceLock::new();
        if let Err(why) = FOUND.get_or_init(find) {
            panic!("{why}");
        }
        run(&args, &input)
    });
    running.await.unwrap_or_else(|error| panic!("{error}"))
}

fn run(args: &[String], input: &str) -> String {
    let mut child = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool was found");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin
        .write_all(input.as_bytes())
        .expect("promtool reads all of it");
    drop(stdin);
    let output = child.wait_with_output().expect("promtool ends");
    if output.status.success() {
        return String::new();
    }
    [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat()
}

fn find() -> Result<(), String> {
    if is_there() {
        return Ok(());
    }
    let dir = install::target_dir().join("promtool");
    let tried = install::once(&dir, |_| {
        let mut apt = Command::new("apt-get");
        apt.args("install --quiet --yes --no-install-recommends prometheus".split(' '));
        install::run(&mut apt).map(drop)
    });
    match tried {
        Ok(_) if is_there() => Ok(()),
        tried => Err(format!(
            "promtool is not on PATH and could not be installed as this user. It is part of Prometheus: \
             `sudo apt-get install prometheus` on Debian, or put the binary of any release on PATH\n{}",
            tried.err().unwrap_or_default()
        )),
    }
}

fn is_there() -> bool {
    let mut version = Command::new("promtool");
    version.arg("--version");
    install::run(&mut version).is_ok()
}
