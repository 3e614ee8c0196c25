//! Things installed once under `target/`, however many test processes want them at the same time.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns `dir`, filled by `fill` unless an earlier call already did so.
///
/// One process fills while the others wait on a lock file beside the directory. A marker written
/// last tells a finished directory from one whose filling was interrupted, which is thrown away.
/// The directory is not built elsewhere and renamed, because a virtual environment cannot be moved.
pub(crate) fn once(
    dir: &Path,
    fill: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let marker = dir.join("complete");
    let lock = lock_beside(dir)?;
    if !marker.exists() {
        start_afresh(dir).map_err(|error| format!("cannot prepare {}: {error}", dir.display()))?;
        fill(dir)?;
        File::create(&marker)
            .map_err(|error| format!("cannot write {}: {error}", marker.display()))?;
    }
    drop(lock);
    Ok(dir.to_owned())
}

/// The lock is released when the file is dropped, also by a process that is killed.
fn lock_beside(dir: &Path) -> Result<File, String> {
    // Appended rather than set as the extension, which would swallow the last part of a version.
    let mut name = dir.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let describe = |error| format!("cannot lock {}: {error}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(describe)?;
    }
    let file = File::create(&path).map_err(describe)?;
    file.lock().map_err(describe)?;
    Ok(file)
}

fn start_afresh(dir: &Path) -> std::io::Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir)
}

/// Runs a command to its end and returns what it printed, or everything it said if it failed.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("cannot run {}: {error}", command.get_program().display()))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let program = command.get_program().display();
    Err(format!(
        "{program} ended with {}\n{printed}{complaint}",
        output.status
    ))
}

/// The directory cargo builds the current profile into, such as `target/debug`.
///
/// Every test executable lies in its `deps`, so no environment variable has to be guessed at.
pub(crate) fn profile_dir() -> PathBuf {
    let executable = std::env::current_exe().expect("a running test has an executable");
    executable
        .ancestors()
        .find(|dir| dir.file_name() == Some(OsStr::new("deps")))
        .and_then(Path::parent)
        .expect("cargo puts test executables into target/<profile>/deps")
        .to_owned()
}

/// The directory all profiles share, usually `target`.
pub(crate) fn target_dir() -> PathBuf {
    profile_dir()
        .parent()
        .expect("a profile directory lies in a target directory")
        .to_owned()
}
