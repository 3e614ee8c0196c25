//! The Rust snippets of the README, compiled and run as documentation tests.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
