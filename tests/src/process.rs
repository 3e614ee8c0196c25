//! Child processes whose output can be waited for: the example binaries, and servers.
//!
//! Binaries listen on port 0 and print the address they got; the harness never picks a port,
//! because a port that was free a moment ago may be taken by the time it is used.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::install;

/// How long [`Process::wait_for_line`] waits.
pub const LINE_DEADLINE: Duration = Duration::from_secs(30);

/// How many lines of output a process keeps; older ones are dropped.
pub const LINES_MAX: usize = 10_000;

/// A process about to be started.
#[derive(Debug)]
pub struct Launch {
    name: String,
    command: Command,
    is_ours: bool,
}

impl Launch {
    /// Sets one environment variable.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds several arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets the directory the process works in.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Starts the process, after building it if it is one of this workspace's.
    ///
    /// # Panics
    ///
    /// When the workspace does not build or the program cannot be run.
    pub async fn start(mut self) -> Process {
        if self.is_ours {
            build_binaries().await;
        }
        let child = self.command.spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot start {}: {error}", self.name));
        Process::watch(self.name, child)
    }
}

/// A running child process. It is killed when dropped, so it must not live in a `static`.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    child: Child,
    lines: Arc<Mutex<Lines>>,
    printed: watch::Receiver<usize>,
}

impl Process {
    /// Names a binary of this workspace, such as an example; it is built once per test process.
    ///
    /// Settings of the test's own environment do not reach it, and colours are off, so that lines
    /// can be compared.
    pub fn example(name: &str) -> Launch {
        let mut launch = Self::program(example_file(name));
        launch.is_ours = true;
        launch
    }

    /// Names an example for which signals mean what they do by default. A process ignores what its parent ignores, and
    /// `nohup cargo test` ignores SIGHUP.
    pub fn example_with_default_signals(name: &str) -> Launch {
        let mut launch = Self::program("env");
        launch.name = name.to_owned();
        launch
            .command
            .arg("--default-signal")
            .arg(example_file(name));
        launch.is_ours = true;
        launch
    }

    /// Names any other program.
    pub fn program(program: impl AsRef<OsStr>) -> Launch {
        let program = program.as_ref();
        let mut command = Command::new(program);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env("NO_COLOR", "1")
            .kill_on_drop(true);
        for (key, _) in std::env::vars_os() {
            if is_setting(key.as_encoded_bytes()) {
                command.env_remove(key);
            }
        }
        let name = Path::new(program).file_name().unwrap_or(program);
        Launch {
            name: name.display().to_string(),
            command,
            is_ours: false,
        }
    }

    fn watch(name: String, mut child: Child) -> Self {
        let lines = Arc::new(Mutex::new(Lines::default()));
        let (sender, printed) = watch::channel(0);
        let sender = Arc::new(sender);
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        tokio::spawn(collect(stdout, lines.clone(), sender.clone()));
        tokio::spawn(collect(stderr, lines.clone(), sender));
        Self {
            name,
            pid: child
                .id()
                .expect("a child that was not waited for has an id"),
            child,
            lines,
            printed,
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Everything printed so far to stdout and stderr, as far as it is kept.
    pub fn output(&self) -> String {
        let lines = self.lines.lock().expect("no holder panics");
        lines.kept.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Waits until a line is printed that is `wanted`, and returns it.
    ///
    /// `wanted` sees each line once and in order, beginning with those printed before the call.
    /// Lines of stdout and of stderr keep their own order only.
    ///
    /// # Panics
    ///
    /// When [`LINE_DEADLINE`] passes or the output ends without such a line; the message holds the
    /// output.
    pub async fn wait_for_line(&self, wanted: impl FnMut(&str) -> bool) -> String {
        match timeout(LINE_DEADLINE, self.next_wanted(wanted)).await {
            Ok(Some(line)) => line,
            Ok(None) => self.give_up("ended its output without the awaited line"),
            Err(_) => self.give_up(&format!("did not print it within {LINE_DEADLINE:?}")),
        }
    }

    async fn next_wanted(&self, mut wanted: impl FnMut(&str) -> bool) -> Option<String> {
        let mut printed = self.printed.clone();
        let mut seen = 0;
        loop {
            // Asked before looking: what comes in between is then seen by the look, not missed.
            let is_open = printed.has_changed().is_ok();
            printed.mark_unchanged();
            let found = {
                let lines = self.lines.lock().expect("no holder panics");
                let found = lines.since(seen).find(|line| wanted(line)).cloned();
                seen = lines.count();
                found
            };
            if found.is_some() || !is_open {
                return found;
            }
            // An error means that the output ended, which the next look takes into account.
            let _ = printed.changed().await;
        }
    }

    /// Sends a signal by its name without `SIG`, such as `TERM`.
    ///
    /// # Panics
    ///
    /// When the process was already waited for, or the signal cannot be sent.
    pub async fn signal(&self, name: &str) {
        if self.child.id().is_none() {
            self.give_up(&format!("has already ended and cannot be sent SIG{name}"));
        }
        let status = Command::new("kill")
            .args([format!("-{name}"), self.pid.to_string()])
            .status()
            .await
            .expect("every Unix has a `kill` command");
        if !status.success() {
            self.give_up(&format!("could not be sent SIG{name}"));
        }
    }

    /// Sends SIGKILL and waits for the end.
    pub async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            self.give_up(&format!("could not be killed: {error}"));
        }
    }

    /// Waits until the process has ended and all it printed was read.
    ///
    /// # Panics
    ///
    /// When the deadline passes first; the message holds the output.
    pub async fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        let mut printed = self.printed.clone();
        let ended = timeout(deadline, async {
            let status = self.child.wait().await;
            while printed.changed().await.is_ok() {}
            status
        });
        match ended.await {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => self.give_up(&format!("cannot be waited for: {error}")),
            Err(_) => self.give_up(&format!("did not end within {deadline:?}")),
        }
    }

    /// Says whether the process is still there.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) fn give_up(&self, what: &str) -> ! {
        panic!(
            "{} (process {}) {what}; it printed:\n{}",
            self.name,
            self.pid,
            self.output()
        )
    }
}

/// The first socket address in a line, such as `127.0.0.1:8080` in `listening on http://127.0.0.1:8080/docs`.
pub fn address_in(line: &str) -> Option<SocketAddr> {
    line.split(|part: char| part.is_whitespace() || "/\"'`,;()=".contains(part))
        .find_map(|word| word.trim_end_matches('.').parse().ok())
}

/// The last lines a process printed, and how many were dropped before them.
#[derive(Debug, Default)]
struct Lines {
    dropped: usize,
    kept: VecDeque<String>,
}

impl Lines {
    fn push(&mut self, line: String) {
        if self.kept.len() == LINES_MAX {
            self.kept.pop_front();
            self.dropped += 1;
        }
        self.kept.push_back(line);
    }

    fn count(&self) -> usize {
        self.dropped + self.kept.len()
    }

    fn since(&self, seen: usize) -> impl Iterator<Item = &String> {
        self.kept.iter().skip(seen.saturating_sub(self.dropped))
    }
}

/// Reads one stream to its end. The channel closes when both streams have ended.
async fn collect(
    stream: impl AsyncRead + Unpin,
    lines: Arc<Mutex<Lines>>,
    printed: Arc<watch::Sender<usize>>,
) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    // Lines are read as bytes: one that is not UTF-8 must not end the reading.
    while matches!(stream.read_until(b'\n', &mut line).await, Ok(1..)) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        lines.lock().expect("no holder panics").push(text);
        printed.send_modify(|count| *count += 1);
        line.clear();
    }
}

/// Builds every binary of the workspace, once per test process; cargo's own lock orders processes.
async fn build_binaries() {
    static BUILT: OnceLock<Result<String, String>> = OnceLock::new();
    let built = tokio::task::spawn_blocking(|| BUILT.get_or_init(run_cargo_build))
        .await
        .expect("building does not panic");
    if let Err(why) = built {
        panic!("the example binaries do not build: {why}");
    }
}

/// The whole workspace is selected so that its dependencies have the features `cargo test` gave
/// them, and are not compiled a second time.
fn run_cargo_build() -> Result<String, String> {
    let profile_dir = install::profile_dir();
    // The profile called `dev` is the only one whose directory has another name.
    let profile = match profile_dir.file_name() {
        Some(name) if name != "debug" => name,
        _ => OsStr::new("dev"),
    };
    let mut cargo =
        std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args("build --quiet --workspace --bins --profile".split(' '))
        .arg(profile)
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
        .arg("--target-dir")
        .arg(install::target_dir());
    forget_this_package(&mut cargo);
    install::run(&mut cargo)
}

/// Takes away the variables cargo describes the tested package with. Build scripts that watch them,
/// such as ring's, would run again here and once more in the user's next build.
pub(crate) fn forget_this_package(cargo: &mut std::process::Command) {
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&key);
        }
    }
}

fn example_file(name: &str) -> PathBuf {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    install::profile_dir().join(file)
}

/// Whether a variable could change what a process of ours does.
fn is_setting(name: &[u8]) -> bool {
    name.starts_with(b"METROPOLIS_") || name.starts_with(b"OTEL_")
}
