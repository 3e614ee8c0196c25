//! What the compiler says about mistakes, and that it says nothing about good code.
//!
//! `ui/<kind of mistake>/<what is wrong>.rs` must not compile, and its `.stderr` holds one error for its one mistake;
//! `ui/pass` must compile without a warning. Texts change with the compiler: they are compared on the one that
//! `ui/RUSTC` names, and any other is held to the number of errors. `METROPOLIS_UI_COUNT_ONLY=1` asks for that here;
//! `TRYBUILD=overwrite` writes the texts anew.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use serde_json::Value;

/// Where the cases are, seen from the package, which is where cargo starts a test.
const UI: &str = "tests/ui";

#[test]
fn mistakes_are_explained() {
    let cases = mistakes();
    if is_compiler_of_the_snapshots() {
        let texts = trybuild::TestCases::new();
        return cases.iter().for_each(|case| texts.compile_fail(&case.path));
    }
    let found = compile("mistakes", &cases);
    for case in &cases {
        let errors = found.errors(case);
        assert_eq!(
            errors,
            case.errors_in_the_snapshot(),
            "{}\n{}",
            case.name,
            found.text(case)
        );
    }
}

#[test]
fn one_mistake_is_one_error() {
    for case in mistakes() {
        let expected = if case.name.starts_with("two-mistakes") {
            2
        } else {
            1
        };
        assert_eq!(
            case.errors_in_the_snapshot(),
            expected,
            "errors in the snapshot of {}",
            case.name
        );
    }
}

#[test]
fn good_code_compiles_in_silence() {
    let cases = cases_in(&Path::new(UI).join("pass"));
    let found = compile("pass", &cases);
    let said: String = cases.iter().map(|case| found.text(case)).collect();
    assert!(said.is_empty(), "{said}");
    assert!(found.is_success, "{}", found.log);
}

/// Whether texts may be compared. Says so where they are not.
fn is_compiler_of_the_snapshots() -> bool {
    let named = fs::read_to_string(Path::new(UI).join("RUSTC")).unwrap();
    let output = run(Command::new(env::var_os("RUSTC").unwrap_or("rustc".into())).arg("--version"));
    let version = String::from_utf8(output.stdout).unwrap();
    let is_same =
        version.starts_with(named.trim()) && env::var_os("METROPOLIS_UI_COUNT_ONLY").is_none();
    if !is_same {
        eprintln!(
            "the texts were taken with {}, not compared; errors are counted",
            named.trim()
        );
    }
    is_same
}

/// One file of `ui`, called `<folder>--<what is wrong>`.
struct Case {
    name: String,
    path: PathBuf,
}

impl Case {
    fn errors_in_the_snapshot(&self) -> usize {
        let path = self.path.with_extension("stderr");
        let text =
            fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
        text.lines()
            .filter(|line| line.starts_with("error:") || line.starts_with("error["))
            .count()
    }
}

fn mistakes() -> Vec<Case> {
    let folders = entries(Path::new(UI))
        .into_iter()
        .filter(|path| path.is_dir());
    let folders = folders.filter(|folder| !folder.ends_with("pass"));
    folders.flat_map(|folder| cases_in(&folder)).collect()
}

fn cases_in(folder: &Path) -> Vec<Case> {
    let files = entries(folder).into_iter();
    let sources = files.filter(|path| path.extension().is_some_and(|end| end == "rs"));
    sources
        .map(|path| Case {
            name: format!("{}--{}", stem(folder), stem(&path)),
            path,
        })
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

/// What the compiler said, by case.
struct Found {
    by_case: BTreeMap<String, Vec<Value>>,
    is_success: bool,
    log: String,
}

impl Found {
    fn messages(&self, case: &Case) -> impl Iterator<Item = &Value> {
        self.by_case.get(&case.name).into_iter().flatten()
    }

    fn errors(&self, case: &Case) -> usize {
        self.messages(case)
            .filter(|message| message["level"] == "error")
            .count()
    }

    fn text(&self, case: &Case) -> String {
        self.messages(case)
            .filter_map(|message| message["rendered"].as_str())
            .collect()
    }
}

/// Checks all cases in one package of their own, one program each.
fn compile(package: &str, cases: &[Case]) -> Found {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("ui")
        .join(package);
    fs::create_dir_all(&room).unwrap();
    fs::write(room.join("Cargo.toml"), manifest(package, cases)).unwrap();
    fs::copy("../Cargo.lock", room.join("Cargo.lock")).unwrap();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args([
        "check",
        "--bins",
        "--keep-going",
        "--offline",
        "--quiet",
        "--message-format=json",
    ]);
    cargo
        .env("CARGO_TARGET_DIR", room.with_file_name("target"))
        .env_remove("RUSTFLAGS");
    read(&run(cargo.env_remove("RUSTC_BOOTSTRAP").current_dir(&room)))
}

fn manifest(package: &str, cases: &[Case]) -> String {
    let metropolis = fs::canonicalize("../metropolis").unwrap();
    let head = format!(
        r#"
[workspace]
[package]
name = "ui-{package}"
edition = "2024"
[dependencies]
metropolis.path = {metropolis:?}
schemars = "1"
serde = {{ version = "1", features = ["derive"] }}
thiserror = "2"
"#
    );
    let programs = cases.iter().map(|case| {
        let path = fs::canonicalize(&case.path).unwrap();
        format!("[[bin]]\nname = {:?}\npath = {path:?}\n", case.name)
    });
    programs.fold(head, |manifest, program| manifest + &program)
}

/// Sorts the messages by program. The summary that ends a compilation points at no place and is left out.
fn read(output: &Output) -> Found {
    let mut by_case = BTreeMap::<String, Vec<Value>>::new();
    let lines = output.stdout.split(|byte| *byte == b'\n');
    for mut event in lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok()) {
        let message = event["message"].take();
        let points = message["spans"]
            .as_array()
            .is_some_and(|spans| !spans.is_empty());
        if let (Some(name), true) = (event["target"]["name"].as_str(), points) {
            by_case.entry(name.to_owned()).or_default().push(message);
        }
    }
    Found {
        by_case,
        is_success: output.status.success(),
        log: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
