//! A real `nats-server`, one per test, on a port of its own choosing.
//!
//! The binary is found or fetched by the `binary` room; everything here is about one running server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::install;
use crate::process::Process;
use crate::wait::holds_within;

mod binary;

pub use binary::PINNED;

/// How long a server may take to listen, and to end after SIGTERM.
const SERVER_DEADLINE: Duration = Duration::from_secs(20);

/// What the server listens on: `nats`, `cluster`, `websocket`, `monitoring`, each with its URLs.
type Ports = BTreeMap<String, Vec<String>>;

/// A running `nats-server`. It is killed when dropped, so it must not live in a `static`.
#[derive(Debug)]
pub struct NatsServer {
    // Declared before the directory: the process must be gone before its files are.
    process: Process,
    dir: TempDir,
    binary: PathBuf,
    environment: Environment,
    ports: Ports,
    port: u16,
}

/// Variables for the server, which its configuration may refer to.
pub type Environment = BTreeMap<String, String>;

impl NatsServer {
    /// Starts a server with default settings on a free loopback port.
    ///
    /// # Panics
    ///
    /// When no server can be found or fetched; the message names the ways out.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts a server with a configuration file of this text on a free loopback port.
    ///
    /// The server works in a temporary directory, so relative paths such as a JetStream
    /// `store_dir: "js"` end up there, survive a restart and are removed in the end.
    ///
    /// # Panics
    ///
    /// When no server can be found or fetched, or it does not accept the configuration.
    pub async fn start_with(config_text: &str) -> Self {
        Self::launched(
            binary::find().await,
            &[("nats.conf", config_text)],
            [].into(),
        )
        .await
    }

    /// Starts a server with several files, of which `nats.conf` includes the others, and with variables.
    ///
    /// # Panics
    ///
    /// As [`start_with`](Self::start_with).
    pub async fn start_from(files: &[(&str, &str)], environment: Environment) -> Self {
        Self::launched(binary::find().await, files, environment).await
    }

    /// Asks the server whether it would start with a configuration; what it has against it otherwise.
    ///
    /// # Errors
    ///
    /// With what the server says.
    ///
    /// # Panics
    ///
    /// When no server can be found or fetched.
    pub async fn check(config: &Path, environment: &Environment) -> Result<String, String> {
        let mut command = std::process::Command::new(binary::find().await);
        command.arg("-t").arg("-c").arg(config).envs(environment);
        install::run(&mut command)
    }

    /// Starts a server of one release with default settings, fetching it if need be.
    ///
    /// # Panics
    ///
    /// When no such release is pinned for this platform, or it cannot be fetched.
    pub async fn of_version(version: &str) -> Self {
        Self::of_version_with(version, "").await
    }

    /// The same, with a configuration.
    ///
    /// # Panics
    ///
    /// As [`of_version`](Self::of_version), or when it does not accept the configuration.
    pub async fn of_version_with(version: &str, config_text: &str) -> Self {
        let binary = binary::of_version(version).await;
        Self::launched(binary, &[("nats.conf", config_text)], [].into()).await
    }

    /// The releases [`of_version`](Self::of_version) takes on this platform, the oldest first.
    pub fn versions() -> Vec<&'static str> {
        binary::versions()
    }

    async fn launched(binary: PathBuf, files: &[(&str, &str)], environment: Environment) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).expect("a file can be written into it");
        }
        let (process, ports) = launch(&binary, dir.path(), &environment, None).await;
        let port = address_of(&ports, "nats").port();
        Self {
            process,
            dir,
            binary,
            environment,
            ports,
            port,
        }
    }

    /// The URL clients connect to.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// The address clients connect to.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The port clients connect to; a restart keeps it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of another listener: `cluster`, `monitoring`, `websocket`, `leafnodes`.
    ///
    /// # Panics
    ///
    /// When the configuration has no such listener.
    pub fn address_of(&self, listener: &str) -> SocketAddr {
        address_of(&self.ports, listener)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The directory the server works in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Sends a signal by its name, such as `USR2` for lame duck mode.
    pub async fn signal(&self, name: &str) {
        self.process.signal(name).await;
    }

    /// Replaces the configuration and makes the server read it again.
    ///
    /// # Panics
    ///
    /// When the server does not say that it took the new configuration.
    pub async fn reload(&self, config_text: &str) {
        let reloads = self.reload_count();
        std::fs::write(self.dir().join("nats.conf"), config_text).expect("the file is ours");
        self.signal("HUP").await;
        if !holds_within(SERVER_DEADLINE, async || self.reload_count() > reloads).await {
            self.process.give_up("did not reload its configuration");
        }
    }

    fn reload_count(&self) -> usize {
        self.log().matches("Reloaded server configuration").count()
    }

    /// Asks the server to end (SIGTERM) and waits until it has.
    pub async fn stop(&mut self) {
        self.process.signal("TERM").await;
        self.process.wait_exit(SERVER_DEADLINE).await;
    }

    /// Ends the server at once (SIGKILL).
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Starts the server again on the port it had, killing it first if it still runs.
    pub async fn restart_on_same_port(&mut self) {
        if self.process.is_running() {
            self.kill().await;
        }
        let (binary, dir) = (&self.binary, self.dir.path());
        (self.process, self.ports) = launch(binary, dir, &self.environment, Some(self.port)).await;
    }

    /// Freezes the server (SIGSTOP): its connections stay open and nothing moves.
    pub async fn pause(&self) {
        self.process.signal("STOP").await;
        // Its threads stop one by one, each when it next enters the kernel.
        holds_within(SERVER_DEADLINE, async || is_frozen(self.pid())).await;
    }

    /// Lets a frozen server go on (SIGCONT).
    pub async fn resume(&self) {
        self.process.signal("CONT").await;
    }
}

/// Whether every thread of a process is stopped. Where there is no `/proc`, nobody can tell, and it counts as so.
fn is_frozen(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return true;
    };
    threads.flatten().all(|thread| {
        let status = std::fs::read_to_string(thread.path().join("status"));
        status.is_ok_and(|status| status.contains("State:\tT"))
    })
}

/// Starts a server in `dir`, on any free port unless one is given, and waits until it listens.
async fn launch(
    binary: &Path,
    dir: &Path,
    environment: &Environment,
    port: Option<u16>,
) -> (Process, Ports) {
    let port = port.map_or("-1".to_owned(), |port| port.to_string());
    let mut launch = Process::program(binary);
    for (name, value) in environment {
        launch = launch.env(name, value);
    }
    let mut process = launch
        .args(["-c", "nats.conf", "-a", "127.0.0.1", "-p", &port])
        .args(["--ports_file_dir", "."])
        .current_dir(dir)
        .start()
        .await;
    let file = dir.join(format!("nats-server_{}.ports", process.pid()));
    let mut ports = None;
    let listens = holds_within(SERVER_DEADLINE, async || {
        ports = read_ports(&file);
        ports.is_some() || !process.is_running()
    });
    listens.await;
    match ports {
        Some(ports) => (process, ports),
        None => {
            // The server may have just ended; what it had to say about it is still on its way.
            process.kill().await;
            process.wait_exit(SERVER_DEADLINE).await;
            process.give_up("did not listen")
        }
    }
}

/// The file appears before it is complete; half of it is not JSON and counts as not there yet.
fn read_ports(file: &Path) -> Option<Ports> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

fn address_of(ports: &Ports, listener: &str) -> SocketAddr {
    ports
        .get(listener)
        .and_then(|urls| crate::process::address_in(urls.first()?))
        .unwrap_or_else(|| panic!("the server has no `{listener}` listener, only {ports:?}"))
}
