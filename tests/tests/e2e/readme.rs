//! The README's commands, run as printed. Its Rust snippets are documentation tests of the harness.

use std::process::Command;

use crate::listening;

const README: &str = include_str!("../../../README.md");

#[tokio::test]
async fn the_commands_of_the_readme_print_what_it_says() {
    let (_hello, address) = listening("hello", None).await;
    let address = address.to_string();
    let session = block("console");
    let commands = session.split("$ ").filter(|command| !command.is_empty());
    let mut ran = 0;
    for (command, expected) in commands.filter_map(|command| command.split_once('\n')) {
        let command = command.replace("localhost:8080", &address);
        assert_eq!(
            printed(&command).trim_end(),
            expected.trim_end(),
            "{command}"
        );
        ran += 1;
    }
    assert_eq!(ran, 3);
}

/// The table of tasks that a newcomer sees first.
#[tokio::test]
async fn a_start_prints_the_tasks_with_their_routes() {
    let (hello, _) = listening("hello", None).await;
    let output = hello.output();
    for row in [
        "POST  /foo/bar  foo.bar      reverse",
        "GET   /foo/bar  foo.bar.get  reverse_query",
    ] {
        assert!(output.contains(row), "{row} is missing in:\n{output}");
    }
}

#[test]
fn every_example_is_named_by_the_command_that_runs_it() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/src/bin");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let opening: Vec<&str> = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        assert!(
            opening.join(" ").contains(&format!("--bin {name}`")),
            "{name}"
        );
    }
}

#[test]
fn the_first_example_stays_short() {
    let hello = include_str!("../../../examples/src/bin/hello.rs");
    assert!(hello.lines().count() < 40);
}

/// The README's one block of a language.
fn block(language: &str) -> String {
    let start = README.find(&format!("```{language}\n")).unwrap();
    let text = &README[start + language.len() + 4..];
    text[..text.find("```").unwrap()].to_owned()
}

fn printed(command: &str) -> String {
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("{command} --silent"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
