//! axe-core, which finds barriers in pages. It is no part of the product and is fetched from the wheel of a package that
//! carries it.

use std::sync::OnceLock;

use crate::install;
use crate::wheel::Wheel;

/// Carries axe-core 4.12.1, MPL-2.0.
const AXE: Wheel = Wheel {
    package: "axe-playwright-python",
    version: "0.1.8",
    sha256: "fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8",
};

/// Checks the page, and gives a line for each rule that is broken.
pub(super) const RUN: &str =
    "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(
    ({ id, help, nodes }) => `${id}: ${help}\\n` + nodes.map(({ target, html, failureSummary }) =>
        `  ${target}  ${html}\\n  ${failureSummary}`).join('\\n')))";

/// The library as text.
pub(super) async fn script() -> &'static str {
    static SCRIPT: OnceLock<Result<String, String>> = OnceLock::new();
    let script = tokio::task::spawn_blocking(|| SCRIPT.get_or_init(fetch))
        .await
        .expect("fetching does not panic");
    match script {
        Ok(script) => script,
        Err(why) => panic!(
            "there is no axe to check pages with: {why}\n\
             make `python3 -m pip` able to reach its index"
        ),
    }
}

fn fetch() -> Result<String, String> {
    let dir = install::target_dir().join("axe").join(AXE.version);
    let dir = install::once(&dir, |dir| AXE.take(dir, &[("*/axe.min.js", "axe.min.js")]))?;
    std::fs::read_to_string(dir.join("axe.min.js")).map_err(|error| error.to_string())
}
