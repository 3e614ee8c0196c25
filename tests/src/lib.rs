//! What the tests of metropolis stand on: real servers, real processes, faults and deadlines.
//!
//! Nothing here asserts. A piece of the harness that cannot do its work panics and says what was
//! missing, because a test has no better use for such an error than to end with it.
//!
//! - [`nats_server`] runs a real `nats-server` on a free port, found or fetched
//! - [`bucket`] makes and writes a key-value bucket of JetStream
//! - [`cluster`] runs several as one
//! - [`collector`] takes the spans that processes send
//! - [`browser`] is a headless Chromium, which looks at pages
//! - [`credentials`] makes keys, tokens and certificates
//! - [`network`] is a server where each part of a test may do what its printed permissions say
//! - [`process`] runs the example binaries as child processes
//! - [`kubernetes`] finds or fetches `helm` and `kubectl`, for rendering alone, and the schemas of Kubernetes
//! - [`promtool`] checks what Prometheus would read
//! - [`python`] keeps one virtual environment with the foreign test tools
//! - [`proxy`] is a TCP proxy that delays, stalls and cuts
//! - [`http`] sends requests exactly as the test wrote them
//! - [`load`] keeps closed-loop load around a scenario
//! - [`measure`] is what the benches stand on
//! - [`wait`] has the deadlines

#![forbid(unsafe_code)]

pub mod browser;
pub mod bucket;
pub mod cluster;
pub mod collector;
pub mod credentials;
pub mod http;
mod install;
pub mod kubernetes;
pub mod load;
pub mod measure;
pub mod nats_server;
pub mod network;
pub mod process;
pub mod promtool;
pub mod proxy;
pub mod python;
mod readme;
pub mod wait;
mod wheel;

pub use browser::Browser;
pub use bucket::Bucket;
pub use http::HttpClient;
pub use nats_server::NatsServer;
pub use network::{Network, WITNESS};
pub use process::Process;
pub use proxy::DelayProxy;
pub use wait::{eventually, within};
