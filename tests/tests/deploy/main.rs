//! What is in `deploy/`: rendered by the real tools, checked against schemas and rules, and tried with real programs as
//! far as that goes without a cluster.
#![expect(clippy::unwrap_used, reason = "a test ends with what it cannot unwrap")]

mod compose;
mod images;
mod nats;
mod object;
mod readme;
mod references;
mod render;
mod rules;
mod running;
mod same;
mod schema;
mod vocabulary;
mod yaml;

use std::path::PathBuf;

/// The folder that is tested.
fn deploy_dir() -> PathBuf {
    project_dir().join("deploy")
}

fn project_dir() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The text of a file in `deploy/`.
fn text(path: &str) -> String {
    let path = deploy_dir().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
