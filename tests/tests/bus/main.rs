//! The conformance suite of the bus: what callers may rely on, checked on the embedded bus and on a real server.
//!
//! A case is a function of two buses that reach each other and runs on every pairing with the same expectations, on
//! servers of every version that is supported ([`parties`]). Only what a single process cannot show, such as a lost connection, is about servers alone ([`faults`]).

#![expect(clippy::unwrap_used, reason = "a test ends with what it cannot unwrap")]

mod drain;
mod faults;
mod flow;
mod fuzz;
mod headers;
mod limits;
mod parties;
mod requests;
mod responders;
mod routing;
