//! What an application compiles when it links the client: a few small crates, proved by cargo itself.
#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;
use std::process::Command;

/// Crates whose names begin so must never be linked.
const FORBIDDEN: [&str; 11] = [
    "tokio",
    "arrow",
    "parquet",
    "datafusion",
    "serde_json",
    "hyper",
    "reqwest",
    "mio",
    "futures",
    "async",
    "metlog-schemas",
];
/// A ceiling to be raised with thought: what is linked today, and some room.
const CRATES_MAX: usize = 45;

fn linked(features: &str) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--package", "metlog", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    cargo.args(["--offline", "--locked", "--features", features]);
    // Where features are unified for the whole workspace, everything would be linked.
    cargo.env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION");
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn check(features: &str, expected: &str) {
    let crates = linked(features);
    assert!(crates.contains("cadence") && crates.contains(expected), "cargo tree told something else: {crates:?}");
    for name in &crates {
        assert!(!FORBIDDEN.iter().any(|forbidden| name.starts_with(forbidden)), "{name} is linked: {crates:?}");
    }
    assert!(crates.len() <= CRATES_MAX, "{} crates are linked: {crates:?}", crates.len());
}

#[test]
fn without_features() {
    check("", "metlog-wire");
    assert!(!linked("").contains("tracing-core"), "the layer is off by default");
}

#[test]
fn with_the_tracing_layer() {
    check("tracing", "tracing-core");
}

/// Guarantees: a new major version of cadence changes nothing for an application that did not ask for its types.
#[test]
fn cadence_is_public_only_with_its_feature() {
    let mut public = 0;
    for file in sources("src") {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            if line.starts_with("pub ") && line.contains("cadence") {
                assert_eq!(lines[at - 1], r#"#[cfg(feature = "cadence")]"#, "{}: {line}", file.display());
                public += 1;
            }
        }
    }
    assert_eq!(public, 3 + 1, "the function, the method and the module, and the private type's");
}

fn sources(folder: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(path.to_str().unwrap()) } else { vec![path] }).collect()
}

/// Guarantees: the client and what it depends on of ours can be published: every dependency has a version.
#[test]
fn packages_can_be_made() {
    let target = tempfile::tempdir().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["package", "--package", "metlog-wire", "--package", "metlog", "--no-verify", "--allow-dirty"]);
    cargo.args(["--offline", "--target-dir"]).arg(target.path());
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
