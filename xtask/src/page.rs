//! The page: its scripts are linted, those of others are what their packages have, and a browser drives its views.
use crate::run;
use std::path::Path;
use std::process::Command;

/// Lints our own scripts: those of the page and those that test it.
pub fn lint(root: &Path, node_modules: &Path) -> Result<(), String> {
    let eslint = node_modules.join("eslint/bin/eslint.js");
    let config = root.join("web/eslint.config.mjs");
    let scripts = ["web/assets", "web/vendor/editor.js", "web/vendor/vendor.mjs", "xtask/system/page"];
    run(Command::new("node").arg(eslint).arg("--config").arg(config).args(["--max-warnings", "0"]).args(scripts))
}

/// Makes `web/assets/vendor` and its table anew, or compares them.
pub fn vendor(root: &Path, is_check: bool) -> Result<(), String> {
    let mut vendor = Command::new("node");
    vendor.arg(root.join("web/vendor/vendor.mjs"));
    run(vendor.args(is_check.then_some("--check")))
}

/// Every view in a browser.
pub fn test(root: &Path, binary: &Path, node_modules: &Path) -> Result<(), String> {
    look(root, binary, node_modules, None, &[])
}

/// Likewise: only those that are named, if any are, and with pictures where there is a folder for them.
pub fn look(
    root: &Path,
    binary: &Path,
    node_modules: &Path,
    shots: Option<&str>,
    views: &[String],
) -> Result<(), String> {
    let mut look = Command::new("node");
    look.arg(root.join("xtask/system/page/page.mjs")).arg(binary).arg(node_modules);
    look.args(shots.into_iter().flat_map(|shots| ["--shots", shots]));
    run(look.args(views))
}
