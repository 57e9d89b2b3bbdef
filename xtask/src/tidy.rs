//! The house rules that are tests: a rule without a machine decays.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a source file at most.
const LINES_MAX: usize = 500;

/// Who may import whom, by package; a dependency of ours that is not named here is refused.
const MAY_IMPORT: [(&str, &str, &[&str]); 8] = [
    ("schemas/wire", "metlog-wire", &[]),
    ("schemas", "metlog-schemas", &["metlog-wire"]),
    ("metlog", "metlog", &["metlog-wire"]),
    ("sink", "metlog-sink", &["metlog-schemas"]),
    ("listener", "metlog-listener", &["metlog-schemas", "metlog-sink"]),
    ("query", "metlog-query", &["metlog-schemas"]),
    ("cli", "metlog-cli", &["metlog", "metlog-schemas", "metlog-sink", "metlog-listener", "metlog-query"]),
    ("xtask", "xtask", &[]),
];

/// Checks all of them, and says every breach.
pub fn check(root: &Path) -> Result<(), String> {
    let mut list = Command::new("git");
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let files = tracked(&mut list)?;
    let mut breaches = Vec::new();
    for file in &files {
        let Ok(text) = fs::read_to_string(root.join(file)) else { continue };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => source(file, &text, &mut breaches),
            Some("md") => document(root, file, &text, &mut breaches),
            _ => (),
        }
    }
    for (folder, package, allowed) in MAY_IMPORT {
        imports(root, folder, package, allowed, &mut breaches);
    }
    if breaches.is_empty() { Ok(()) } else { Err(format!("untidy:\n{}", breaches.join("\n"))) }
}

fn tracked(command: &mut Command) -> Result<Vec<PathBuf>, String> {
    let output = command.output().map_err(|error| format!("git ls-files: {error}"))?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}

fn source(file: &Path, text: &str, breaches: &mut Vec<String>) {
    let head = text.lines().find(|line| !line.starts_with("#![") && !line.trim().is_empty()).unwrap_or_default();
    if !head.starts_with("//!") {
        breaches.push(format!("{}: does not begin by saying what it owns", file.display()));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        breaches.push(format!("{}: {lines} lines, at most {LINES_MAX}", file.display()));
    }
    for word in ["manager", "handler", "processor", "helper", "util", "common", "core"] {
        if file
            .iter()
            .any(|part| Path::new(part).file_stem().is_some_and(|stem| stem == word || *stem == *format!("{word}s")))
        {
            breaches.push(format!("{}: a name that says nothing", file.display()));
        }
    }
}

/// Words in back quotes that look like files of this repository must be such.
fn document(root: &Path, file: &Path, text: &str, breaches: &mut Vec<String>) {
    for quoted in text.split('`').skip(1).step_by(2) {
        let named = quoted.split_once('/').is_some_and(|(first, _)| root.join(first).is_dir() && !first.is_empty());
        let plain = quoted.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
        if named && plain && !quoted.starts_with("data/") && !root.join(quoted).exists() {
            breaches.push(format!("{}: names `{quoted}`, which is not there", file.display()));
        }
    }
}

fn imports(root: &Path, folder: &str, package: &str, allowed: &[&str], breaches: &mut Vec<String>) {
    let Ok(manifest) = fs::read_to_string(root.join(folder).join("Cargo.toml")) else { return };
    // What only tests use is no direction of the house.
    let normal = manifest.split("[dev-dependencies]").next().unwrap_or_default();
    for line in normal.lines() {
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        let ours = name == "metlog" || name.starts_with("metlog-");
        if ours && !allowed.contains(&name) {
            breaches.push(format!("{folder}: {package} must not import {name}"));
        }
    }
}
