//! The page about operations, held against the code: every setting is on it, and none that does not exist.

use std::collections::BTreeSet;

use metropolis::config::VARIABLES;

const PAGE: &str = include_str!("../../../docs/operations.md");

/// Everything in the page that looks like a variable of ours.
fn variables(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_uppercase() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    let ours = words.filter(|word| word.starts_with("METROPOLIS_"));
    ours.collect()
}

#[test]
fn every_setting_is_on_the_page_and_no_other() {
    let section = PAGE.split("## Settings").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let known: BTreeSet<&str> = VARIABLES.iter().copied().collect();
    assert_eq!(variables(section), known);
    let unknown: Vec<_> = variables(PAGE).difference(&known).copied().collect();
    assert_eq!(unknown, [""; 0], "elsewhere on the page");
}
