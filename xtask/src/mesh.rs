//! Tests of the mesh that need other programs: verdicts over made-up windows, network namespaces with a firewall, and a real
//! ZooKeeper.
use crate::{cargo, run, setup};
use std::path::Path;
use std::process::{Command, Stdio};

/// Plays agents of the older system, and writes made-up windows.
const PYTHON: [&str; 2] = ["kazoo==2.11.0", "pyarrow==26.0.1"];

/// Installs what is needed and passes them.
pub fn test(root: &Path, cache: &Path, binary: &Path) -> Result<(), String> {
    install(Path::new("/usr/share/java/zookeeper.jar"), "zookeeper")?;
    setup::venv(cache, "mesh", &PYTHON)?;
    run(Command::new(cache.join("mesh/bin/python")).arg(root.join("xtask/system/mesh_verdicts.py")).arg(binary))?;
    let mut tests = Command::new(cache.join("mesh/bin/python"));
    tests.arg(root.join("xtask/system/mesh_zookeeper.py"));
    let cargo = cargo(&["test", "--locked", "--package", "metlog-mesh", "zookeeper_real"]);
    tests.arg(cargo.get_program()).args(cargo.get_args());
    for (name, value) in cargo.get_envs() {
        match value {
            Some(value) => tests.env(name, value),
            None => tests.env_remove(name),
        };
    }
    run(&mut tests)
}

/// Agents on a fabric of network namespaces, with faults: all of them, those named, or with `--short` one.
pub fn fabric(root: &Path, cache: &Path, binary: &Path, write: Option<&str>, cases: &[String]) -> Result<(), String> {
    install(Path::new("/usr/sbin/nft"), "nftables")?;
    setup::venv(cache, "mesh", &PYTHON)?;
    let mut fabric = Command::new(cache.join("mesh/bin/python"));
    fabric.arg(root.join("xtask/system/fabric.py")).arg(binary);
    if let Some(file) = write {
        fabric.args(["--write", file]);
    }
    run(fabric.args(cases))
}

/// Two agents and a firewall between them: each loss has the right direction.
pub fn directions(root: &Path, python: &Path, binary: &Path) -> Result<(), String> {
    install(Path::new("/usr/sbin/nft"), "nftables")?;
    run(Command::new(python).arg(root.join("xtask/system/mesh_directions.py")).arg(binary))
}

/// A package of the system, by a file of it: one that is no program cannot be asked for its version.
fn install(file: &Path, package: &str) -> Result<(), String> {
    if file.exists() {
        return Ok(());
    }
    let update = run(Command::new("apt-get").args(["update", "-qq"]).stdin(Stdio::null()));
    let install =
        update.and_then(|()| run(Command::new("apt-get").args(["install", "-y", "-qq", package]).stdin(Stdio::null())));
    install.map_err(|why| format!("{why}\nthe tests of the mesh need {package}: sudo apt-get install {package}"))
}
