//! Processes that are measured: the bench's own binary with a role, or a program of this workspace.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;

use crate::install;
use crate::process::{Launch, address_in, forget_this_package};
use crate::{HttpClient, Process, eventually};

/// What tells a process of a bench from the bench itself.
pub const ROLE: &str = "role";

/// Printed once a role can be asked; an HTTP role adds its address.
const READY: &str = "ready";

/// How long a process may take from its start to its first good answer.
const SERVE_DEADLINE: Duration = Duration::from_secs(10);

/// A process that can be asked. It is killed when dropped.
#[derive(Debug)]
pub struct Player {
    process: Process,
    address: Option<SocketAddr>,
}

impl Player {
    /// Starts this binary again with a role, and waits until it is [`ready`].
    pub async fn role(words: &[&str]) -> Self {
        let bench = std::env::current_exe().expect("a running bench has an executable");
        Self::ready(Process::program(bench).arg(ROLE).args(words)).await
    }

    /// Starts a role in some other way, such as with its log in a file, and waits until it is [`ready`].
    pub async fn ready(launch: Launch) -> Self {
        Self::start(launch, |line| line.starts_with(READY)).await
    }

    /// Starts a program, and waits for the line that says where it listens.
    pub async fn listening(launch: Launch) -> Self {
        Self::start(launch, |line| line.contains("listening on")).await
    }

    /// Starts the program `metropolis-gateway` as users install it, on any port, with further arguments.
    ///
    /// It writes no access lines, because what it is compared with writes none either, and the bench would have to read
    /// them. What they cost is measured by the bench `telemetry`.
    pub async fn gateway(nats_url: &str, arguments: &[&str]) -> Self {
        let launch = Process::program(gateway_program())
            .args(["--nats-url", nats_url, "--listen", "127.0.0.1:0"])
            .args(["--log", "info,metropolis::access=off"])
            .args(arguments);
        Self::listening(launch).await
    }

    /// Waits until a POST to a path is answered well, as when a gateway has found the task.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub async fn until_it_serves(&self, path: &str, body: &Bytes) {
        let mut client = HttpClient::connect(self.address()).await;
        let json = [("content-type", "application/json")];
        eventually(SERVE_DEADLINE, async || {
            let answer = client.send("POST", path, &json, body.clone());
            answer.await.status == 200
        })
        .await;
    }

    async fn start(launch: Launch, is_ready: fn(&str) -> bool) -> Self {
        let process = launch.start().await;
        let line = process.wait_for_line(is_ready).await;
        Self {
            address: address_in(&line),
            process,
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has said of trouble so far.
    pub fn complaints(&self) -> Vec<String> {
        let output = self.process.output();
        let is_trouble = |line: &&str| line.contains(" WARN ") || line.contains("ERROR ");
        output
            .lines()
            .filter(is_trouble)
            .map(str::to_owned)
            .collect()
    }

    /// Where it listens for HTTP.
    ///
    /// # Panics
    ///
    /// When it has not said so.
    pub fn address(&self) -> SocketAddr {
        self.address
            .unwrap_or_else(|| self.process.give_up("listens nowhere"))
    }
}

/// Tells the bench that this process can be asked, and where, if it is asked over HTTP.
#[expect(clippy::print_stdout, reason = "the bench reads it")]
pub fn ready(address: Option<SocketAddr>) {
    match address {
        Some(address) => println!("{READY} {address}"),
        None => println!("{READY}"),
    }
}

/// The program `metropolis-gateway`, built at the first call: whoever measures a start calls this before.
pub fn gateway_program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> =
        LazyLock::new(|| build("metropolis-gateway", "metropolis-gateway"));
    &PROGRAM
}

/// Builds one program as it is released, and says where it is. Building all of them would take minutes more.
///
/// # Panics
///
/// When it does not build.
pub fn build(package: &str, program: &str) -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--package", package]);
    cargo.args(["--bin", program, "--target-dir"]);
    cargo.arg(install::target_dir());
    forget_this_package(&mut cargo);
    let built = cargo.status().expect("cargo is there, as it runs this");
    assert!(built.success(), "the program `{program}` does not build");
    install::target_dir().join("release").join(program)
}
