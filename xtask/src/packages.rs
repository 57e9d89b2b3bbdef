//! What users depend on can be published, and its documentation has no broken link.
use std::process::Command;

/// Those that are published, in the order in which they are.
const PACKAGES: [&str; 2] = ["metlog-wire", "metlog"];

/// Makes each package and builds it with all features from nothing but the packages, as their users will; and its documentation.
pub fn check(
    cargo: impl Fn(&[&str]) -> Command,
    run: impl Fn(&mut Command) -> Result<(), String>,
) -> Result<(), String> {
    let named: Vec<&str> = PACKAGES.iter().flat_map(|package| ["--package", package]).collect();
    // A developer's changes are in it as well.
    run(&mut cargo(&[&["package", "--locked", "--all-features", "--allow-dirty"][..], &named].concat()))?;
    let mut doc = cargo(&[&["doc", "--locked", "--all-features", "--no-deps"][..], &named].concat());
    run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}
