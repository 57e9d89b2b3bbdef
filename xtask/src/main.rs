//! `cargo xtask`: the test command. It installs what the tests need into a cache folder and passes all of them.
mod setup;
mod tidy;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask test    install what the tests need, then pass all of them
cargo xtask setup   install only
cargo xtask tidy    the house rules that are tests";

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("test") => test(),
        Some("setup") => setup::install(&cache()).map(|tools| println!("METLOG_TEST_VENV={}", tools.venv.display())),
        Some("tidy") => tidy::check(&root()),
        _ => Err(HELP.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace. Asked when it runs: clones that share build outputs share this program too.
fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("xtask"), PathBuf::from);
    manifest.parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// Where installs and build outputs outlive a clone: `METLOG_CACHE`, or `metlog` in the user's cache.
fn cache() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).map(PathBuf::from);
    from("METLOG_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|cache| cache.join("metlog")))
        .or_else(|| from("HOME").map(|home| home.join(".cache/metlog")))
        .unwrap_or_else(|| root().join("target/cache"))
}

fn test() -> Result<(), String> {
    tidy::check(&root())?;
    let tools = setup::install(&cache())?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new("cargo");
        // What `cargo run` set for this program would make build scripts that look at it run again.
        for (name, _) in std::env::vars_os() {
            if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|of| name.to_string_lossy().starts_with(of)) {
                command.env_remove(name);
            }
        }
        command.args(arguments).env("METLOG_TEST_VENV", &tools.venv).env("CARGO_TARGET_DIR", &target);
        run(&mut command)
    };
    cargo(&["fmt", "--all", "--check"])?;
    // The client's layer for `tracing` is off by default, and would otherwise never be compiled.
    let workspace = ["--workspace", "--locked", "--features", "metlog/tracing,metlog/cadence"];
    cargo(&[&["clippy"][..], &workspace, &["--all-targets", "--", "-D", "warnings"]].concat())?;
    // The fuzz targets are run by hand, on nightly; here it is seen that they still fit what they test.
    for fuzz in ["schemas/fuzz/Cargo.toml", "listener/fuzz/Cargo.toml"] {
        cargo(&["check", "--locked", "--no-default-features", "--manifest-path", fuzz])?;
    }
    cargo(&[&["test"][..], &workspace].concat())?;
    cargo(&["build", "--release", "--locked", "--package", "metlog-cli"])?;
    let binary = target.join("release/metlog");
    let python = tools.venv.join("bin/python");
    let system = root().join("xtask/system");
    let script =
        |name: &str, more: &[&OsStr]| run(Command::new(&python).arg(system.join(name)).arg(&binary).args(more));
    script("kills.py", &[])?;
    script("engines.py", &[])?;
    script("second_opinion.py", &[tools.node_modules.as_os_str()])?;
    // Black-box checks that live beside a developer's clone; the project does not depend on them.
    let acceptance = root().join("../shared/acceptance/run.py");
    if acceptance.exists() {
        run(Command::new(&python).arg(&acceptance).arg("--binary").arg(&binary))?;
    }
    Ok(())
}

/// Runs a command to its end, from the root of the workspace.
fn run(command: &mut Command) -> Result<(), String> {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let line = words.join(OsStr::new(" ")).to_string_lossy().into_owned();
    eprintln!("+ {line}");
    let status = command.current_dir(root()).status().map_err(|error| format!("{line}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("failed, {status}: {line}")) }
}
