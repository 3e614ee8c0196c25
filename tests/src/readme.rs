//! The Rust snippets of the README and of pages, compiled and run as documentation tests.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../docs/live.md")]
pub struct Live;
