//! `cargo xtask`: the test command. It installs what the tests need into a cache folder and passes all of them.
mod attack;
mod clients;
mod instructions;
mod mesh;
mod otlp;
mod packages;
mod page;
mod registries;
mod setup;
mod tidy;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask test                             install what the tests need, then pass all of them
cargo xtask setup                            install only
cargo xtask clients [--binary FILE] [NAME…]  the clients in other languages: all, or python, js
cargo xtask otlp [--binary FILE]             OpenTelemetry's own exporters
cargo xtask fabric [--binary FILE] [CASE…]   the mesh on a fabric of network namespaces, as root: all faults, or those named
cargo xtask mesh [--binary FILE]             verdicts of the mesh, and discovery beside a real ZooKeeper
cargo xtask tidy                             the house rules that are tests
cargo xtask vendor [--check]                 make the page's third-party scripts anew, or compare them with their packages
cargo xtask page [--binary FILE] [--shots FOLDER] [VIEW…]
                                             the page in a browser; with pictures of each view
cargo xtask attack [--binary FILE] [NAME…]   attacks on a running metlog: all, or those named
cargo xtask bench [--binary FILE] [--against FILE] [--turns N] [SHAPE…]
                                             the whole process under load, beside another binary in turns
cargo xtask bench [--binary FILE] reports    the shipped reports over 10 million messages, beside DuckDB
cargo xtask bench [--binary FILE] fresh      how long after a send SQL sees the message, beside 100,000 messages a second
cargo xtask instructions                     what the decoders cost, in instructions; needs valgrind

Where no binary is named, the release binary is built.";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match arguments.next().as_deref() {
        Some("test") => test(),
        Some("setup") => setup::install(&cache()).map(|tools| println!("METLOG_TEST_VENV={}", tools.venv.display())),
        Some("fabric") => Choice::read(arguments, &["--binary", "--write"]).and_then(|choice| {
            mesh::fabric(&root(), &cache(), &choice.binary()?, choice.option("--write"), &choice.names)
        }),
        Some("mesh") => {
            Choice::read(arguments, &["--binary"]).and_then(|choice| mesh::test(&root(), &cache(), &choice.binary()?))
        }
        Some("tidy") => tidy::check(&root()),
        Some("vendor") => page::vendor(&root(), arguments.next().as_deref() == Some("--check")),
        Some("page") => Choice::read(arguments, &["--binary", "--shots"]).and_then(|choice| {
            let tools = setup::install(&cache())?;
            page::look(&root(), &choice.binary()?, &tools.node_modules, choice.option("--shots"), &choice.names)
        }),
        Some("attack") => Choice::read(arguments, &["--binary"])
            .and_then(|choice| attack::run(&root(), Path::new("python3"), &choice.binary()?, &choice.names)),
        Some("clients") => Choice::read(arguments, &["--binary"])
            .and_then(|choice| clients::test(&root(), &cache(), &choice.binary()?, &choice.names)),
        Some("otlp") => {
            Choice::read(arguments, &["--binary"]).and_then(|choice| otlp::test(&root(), &cache(), &choice.binary()?))
        }
        Some("bench") => {
            Choice::read(arguments, &["--binary", "--against", "--turns"]).and_then(|choice| bench(&choice))
        }
        Some("instructions") => instructions::run(cargo),
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

/// What stands behind a command.
struct Choice {
    options: Vec<(String, String)>,
    names: Vec<String>,
}

impl Choice {
    fn read(mut arguments: impl Iterator<Item = String>, known: &[&str]) -> Result<Choice, String> {
        let mut choice = Choice { options: Vec::new(), names: Vec::new() };
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix("--") {
                Some(_) if known.contains(&argument.as_str()) => {
                    let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
                    choice.options.push((argument, value));
                }
                Some(_) => return Err(HELP.to_owned()),
                None => choice.names.push(argument),
            }
        }
        Ok(choice)
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rfind(|(option, _)| option == name).map(|(_, value)| value.as_str())
    }

    /// The binary that is named, or the release binary, which is built.
    fn binary(&self) -> Result<PathBuf, String> {
        match self.option("--binary") {
            Some(binary) => whole(binary),
            None => release(),
        }
    }
}

/// A path that holds in another folder too.
fn whole(path: &str) -> Result<PathBuf, String> {
    std::fs::canonicalize(path).map_err(|error| format!("{path}: {error}"))
}

/// Where Cargo puts what it builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// `cargo`, without what `cargo run` set for this program: build scripts that look at it would run again.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|of| name.to_string_lossy().starts_with(of)) {
            command.env_remove(name);
        }
    }
    command.args(arguments).env("CARGO_TARGET_DIR", target());
    command
}

/// Builds the binary that users get.
fn release() -> Result<PathBuf, String> {
    run(&mut cargo(&["build", "--release", "--locked", "--package", "metlog-cli"]))?;
    Ok(target().join("release/metlog"))
}

/// The shipped reports beside DuckDB, and the last hour of small and large warehouses.
fn bench_reports(choice: &Choice) -> Result<(), String> {
    let tools = setup::install(&cache())?;
    let script = root().join("xtask/system/bench_reports.py");
    run(Command::new(tools.venv.join("bin/python")).arg(script).arg(choice.binary()?))
}

fn bench(choice: &Choice) -> Result<(), String> {
    if choice.names.iter().any(|name| name == "reports") {
        return bench_reports(choice);
    }
    if choice.names.iter().any(|name| name == "fresh") {
        return run(Command::new("python3").arg(root().join("xtask/system/bench_fresh.py")).arg(choice.binary()?));
    }
    let mut flood = cargo(&["bench", "--locked", "--package", "metlog-cli", "--bench", "flood", "--"]);
    if let Some(binary) = choice.option("--binary") {
        flood.arg("--binary").arg(whole(binary)?);
    }
    if let Some(binary) = choice.option("--against") {
        flood.arg("--against").arg(whole(binary)?);
    }
    if let Some(turns) = choice.option("--turns") {
        flood.args(["--turns", turns]);
    }
    run(flood.args(&choice.names))
}

fn test() -> Result<(), String> {
    tidy::check(&root())?;
    let tools = setup::install(&cache())?;
    page::lint(&root(), &tools.node_modules)?;
    page::vendor(&root(), true)?;
    let cargo = |arguments: &[&str]| run(cargo(arguments).env("METLOG_TEST_VENV", &tools.venv));
    cargo(&["fmt", "--all", "--check"])?;
    // The client's bridges are off by default, and would otherwise never be compiled.
    let workspace = [
        "--workspace",
        "--locked",
        "--features",
        "metlog/tracing,metlog/cadence,metlog/metrics,metlog/log,metlog/tower",
    ];
    cargo(&[&["clippy"][..], &workspace, &["--all-targets", "--", "-D", "warnings"]].concat())?;
    // The fuzz targets are run by hand, on nightly; here it is seen that they still fit what they test.
    for fuzz in ["schemas/fuzz/Cargo.toml", "listener/fuzz/Cargo.toml"] {
        cargo(&["check", "--locked", "--no-default-features", "--manifest-path", fuzz])?;
    }
    cargo(&[&["test"][..], &workspace].concat())?;
    // A table and a format more than users get: see `xtask/src/registries.rs`.
    let toy = ["test", "--locked", "-p", "metlog-schemas", "-p", "metlog-sink", "-p", "metlog-cli"];
    cargo(&[&toy[..], &["--features", "metlog-cli/toy,metlog-sink/toy", "toy"]].concat())?;
    packages::check(crate::cargo, run)?;
    let binary = release()?;
    let python = tools.venv.join("bin/python");
    let system = root().join("xtask/system");
    let script =
        |name: &str, more: &[&OsStr]| run(Command::new(&python).arg(system.join(name)).arg(&binary).args(more));
    page::test(&root(), &binary, &tools.node_modules)?;
    script("kills.py", &[])?;
    script("engines.py", &[])?;
    script("second_opinion.py", &[tools.node_modules.as_os_str()])?;
    script("notebook.py", &[])?;
    script("flight.py", &[tools.jdbc.as_os_str()])?;
    script("alerts.py", &[])?;
    script("openapi.py", &[tools.schemathesis.join("bin/schemathesis").as_os_str()])?;
    run(Command::new(tools.graphite.join("bin/python")).arg(system.join("graphite_oracle.py")).arg(&binary))?;
    run(Command::new(tools.tracers.join("bin/python"))
        .arg(system.join("tracers.py"))
        .arg(&binary)
        .arg(&tools.tracers_node_modules))?;
    attack::run(&root(), &python, &binary, &attack::IN_TESTS.map(str::to_owned))?;
    clients::test(&root(), &cache(), &binary, &[])?;
    otlp::test(&root(), &cache(), &binary)?;
    mesh::test(&root(), &cache(), &binary)?;
    mesh::directions(&root(), &python, &binary)?;
    // Black-box checks that live beside a developer's clone; the project does not depend on them.
    for name in ["run.py", "traces.py"] {
        let acceptance = root().join("../shared/acceptance").join(name);
        if acceptance.exists() {
            run(Command::new(&python).arg(&acceptance).arg("--binary").arg(&binary))?;
        }
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
