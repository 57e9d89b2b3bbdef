//! The house rules that are tests: a rule without a machine decays.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a source file at most.
const LINES_MAX: usize = 500;

/// Who may import whom of ours. A package that is not named here is refused.
const MAY_IMPORT: [(&str, &[&str]); 10] = [
    ("metlog-wire", &[]),
    ("metlog-schemas", &["metlog-wire"]),
    ("metlog", &["metlog-wire"]),
    ("metlog-sink", &["metlog-schemas"]),
    ("metlog-listener", &["metlog-schemas", "metlog-sink"]),
    ("metlog-query", &["metlog-schemas"]),
    ("metlog-web", &["metlog-query", "metlog-schemas"]),
    ("metlog-mesh", &["metlog", "metlog-schemas"]),
    (
        "metlog-cli",
        &["metlog", "metlog-schemas", "metlog-sink", "metlog-listener", "metlog-query", "metlog-web", "metlog-mesh"],
    ),
    ("xtask", &[]),
];

/// Checks all of them, and says every breach.
pub fn check(root: &Path) -> Result<(), String> {
    let mut breaches = Vec::new();
    for file in &files(root)? {
        let Ok(text) = fs::read_to_string(root.join(file)) else { continue };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => {
                source(file, &text, &mut breaches);
                crate::registries::check(file, &text, &mut breaches);
            }
            Some("md") => document(root, file, &text, &mut breaches),
            _ => (),
        }
    }
    imports(&dependencies(root)?, &mut breaches);
    if breaches.is_empty() { Ok(()) } else { Err(format!("untidy:\n{}", breaches.join("\n"))) }
}

/// What git tracks, and what is new and named by no `.gitignore`: a breach is seen before it is committed.
fn files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut list = Command::new("git");
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let output = list.output().map_err(|error| format!("git ls-files: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr)));
    }
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
        // From the root, or from a package's own folder, as its users see it.
        let is_there = file.ancestors().skip(1).any(|folder| root.join(folder).join(quoted).exists());
        if named && plain && !quoted.starts_with("data/") && !is_there {
            breaches.push(format!("{}: names `{quoted}`, which is not there", file.display()));
        }
    }
}

/// Cargo's own answer to who depends on whom, where only tests do not count: a line for each package of ours, and
/// below it one for each that it depends on, as depth, name, version and, for ours, folder.
fn dependencies(root: &Path) -> Result<String, String> {
    let mut tree = Command::new("cargo");
    tree.args(["tree", "--workspace", "--locked", "--all-features", "--edges", "normal,build"]);
    tree.args(["--depth", "1", "--prefix", "depth", "--no-dedupe"]).current_dir(root);
    let output = tree.output().map_err(|error| format!("cargo tree: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

fn imports(tree: &str, breaches: &mut Vec<String>) {
    let mut importer: Option<(&str, &[&str])> = None;
    let mut seen = Vec::new();
    for line in tree.lines().filter(|line| line.contains(" (/")) {
        let (depth, rest) = line.split_at(1);
        let name = rest.split(' ').next().unwrap_or_default();
        match importer {
            _ if depth == "0" => {
                importer = MAY_IMPORT.into_iter().find(|(package, _)| *package == name);
                seen.push(name);
                if importer.is_none() {
                    breaches.push(format!("{name}: who may import it is not said in xtask/src/tidy.rs"));
                }
            }
            Some((package, allowed)) if !allowed.contains(&name) => {
                breaches.push(format!("{package} must not import {name}"));
            }
            _ => (),
        }
    }
    for (package, _) in MAY_IMPORT {
        if !seen.contains(&package) {
            breaches.push(format!("{package}: is named in xtask/src/tidy.rs and not there"));
        }
    }
}
