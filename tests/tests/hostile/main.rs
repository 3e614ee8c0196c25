//! The gateway among strangers: requests, replies and connections that nobody polite would send, on a real server with
//! a witness that sees every message. A binary of its own, because a gateway has the routes of every task linked.
#![expect(clippy::unwrap_used, reason = "a test ends with what it cannot unwrap")]

mod desync;
mod exchange;
mod headers;
mod limits;
mod parties;
mod paths;
mod peer;
mod raw;
mod replies;
mod status;
