//! nginx as Debian packages it, in front of a back end: kept connections on both sides, no log, a process per core.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use metropolis_tests::Process;
use metropolis_tests::measure::books;
use metropolis_tests::wait::holds_within;
use tempfile::TempDir;
use tokio::net::TcpStream;

/// How long it may take to listen.
const START_DEADLINE: Duration = Duration::from_secs(10);

/// How often another port is tried, when somebody has taken the one that was free.
const TRIES: usize = 3;

/// A running nginx, ended when dropped.
pub(crate) struct Nginx {
    process: Process,
    address: SocketAddr,
    _dir: TempDir,
}

impl Nginx {
    /// Where it is installed, if it is.
    pub(crate) fn program() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
        // Debian keeps it where only root looks.
        dirs.push("/usr/sbin".into());
        let files = dirs.into_iter().map(|dir| dir.join("nginx"));
        files.into_iter().find(|file| file.is_file())
    }

    /// Starts one that passes everything on.
    pub(crate) async fn before(back_end: SocketAddr) -> Self {
        for _ in 0..TRIES {
            if let Some(nginx) = Self::on(free_port(), back_end).await {
                return nginx;
            }
        }
        panic!("nginx does not listen, on {TRIES} ports that were free");
    }

    async fn on(address: SocketAddr, back_end: SocketAddr) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let config = dir.path().join("nginx.conf");
        std::fs::write(&config, configuration(address, back_end)).expect("it is ours");
        let program = Self::program().expect("it was looked for before");
        let mut nginx = Self {
            process: launch(&program, dir.path()).await,
            address,
            _dir: dir,
        };
        let listens = holds_within(START_DEADLINE, async || {
            TcpStream::connect(address).await.is_ok() || !nginx.process.is_running()
        });
        (listens.await && nginx.process.is_running()).then_some(nginx)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Its workers would outlive a master that is killed.
impl Drop for Nginx {
    fn drop(&mut self) {
        if self.process.is_running() {
            let pids = [vec![self.pid()], books::children(self.pid())].concat();
            let pids = pids.iter().map(u32::to_string);
            let _ = Command::new("kill").arg("-TERM").args(pids).status();
        }
    }
}

async fn launch(program: &Path, dir: &Path) -> Process {
    Process::program(program)
        .arg("-p")
        .arg(dir)
        .args(["-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"])
        .start()
        .await
}

/// nginx takes no port 0, so one is looked for; whoever takes it first makes nginx end at once.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("a listener has an address")
}

fn configuration(address: SocketAddr, back_end: SocketAddr) -> String {
    format!(
        "worker_processes auto;
pid nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_buffer_size 64k;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream back_end {{
        server {back_end};
        keepalive 512;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address};
        location / {{
            proxy_pass http://back_end;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
    }}
}}
"
    )
}
