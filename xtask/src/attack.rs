//! `cargo xtask attack`: what an attacker did to a running binary, repeated. Each file in `xtask/system/attacks` is one.
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the attacks are, seen from the workspace.
const FOLDER: &str = "xtask/system/attacks";

/// Those that are part of all tests: short, and a busy machine does not change what they see.
pub const IN_TESTS: [&str; 10] = [
    "drops_are_unhealthy",
    "forged_record",
    "forged_sequences",
    "idle_connections",
    "junk",
    "large_unix_datagrams",
    "queries",
    "questions",
    "seal_storm",
    "times_of_all_centuries",
];

/// Runs those that are named, or all, one after the other, by this Python, and prints the counts. What an attack needs
/// beyond Python itself it does without where it is not installed.
///
/// # Errors
/// How many failed, or why none could be run.
pub fn run(root: &Path, python: &Path, binary: &Path, names: &[String]) -> Result<(), String> {
    let (mut passed, mut failed) = (0, 0);
    for attack in attacks(&root.join(FOLDER), names)? {
        let mut attacking = Command::new(python);
        attacking.arg(&attack).arg(binary).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(root);
        let status = attacking.status().map_err(|error| format!("{}: {error}", python.display()))?;
        if status.success() {
            passed += 1;
        } else {
            failed += 1;
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { Ok(()) } else { Err(format!("{failed} attacks succeeded")) }
}

/// The files of the attacks that are named, or of all, by name.
fn attacks(folder: &Path, names: &[String]) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let entries = std::fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut files: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "py"));
    files.sort();
    let stem = |file: &Path| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let all: Vec<String> = files.iter().map(|file| stem(file)).collect();
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        return Err(format!("no attack is named `{unknown}`; there are {}", all.join(", ")));
    }
    files.retain(|file| names.is_empty() || names.contains(&stem(file)));
    if files.is_empty() { Err(format!("{}: there is no attack", folder.display())) } else { Ok(files) }
}
