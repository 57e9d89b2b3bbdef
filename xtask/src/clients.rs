//! The clients in other languages: each is linted, tested beside a running metlog, and packed as it would be published.
use crate::run;
use crate::setup::once;
use std::path::Path;
use std::process::Command;

/// Passes all tests of the clients.
///
/// # Errors
/// The command that failed.
pub fn test(root: &Path, cache: &Path, binary: &Path) -> Result<(), String> {
    python(&root.join("clients/python"), cache, binary)
}

fn python(client: &Path, cache: &Path, binary: &Path) -> Result<(), String> {
    let requirements = client.join("requirements-test.txt");
    let pins =
        std::fs::read_to_string(&requirements).map_err(|error| format!("{}: {error}", requirements.display()))?;
    let venv = cache.join("python-client");
    let tool = |name: &str| venv.join("bin").join(name);
    once(&cache.join("python-client.installed"), &pins, || {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        run(Command::new(tool("pip")).args(["install", "--quiet", "-r"]).arg(&requirements))
    })?;
    let inside = |mut command: Command| {
        // What is found is what is in the folder, not what an earlier clone installed.
        command.env("PYTHONPATH", client.join("src")).env("PYTHONDONTWRITEBYTECODE", "1");
        run(&mut command)
    };
    let with = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(tool(name));
        command.args(arguments);
        command
    };
    let folder = client.to_string_lossy();
    inside(with("ruff", &["check", "--no-cache", &folder]))?;
    inside(with("ruff", &["format", "--no-cache", "--check", &folder]))?;
    let mut mypy = with("mypy", &["--cache-dir=/dev/null", "--config-file"]);
    mypy.arg(client.join("pyproject.toml")).arg(client.join("src"));
    inside(mypy)?;
    let mut pytest = with("python", &["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    pytest.arg(client).env("METLOG_BINARY", binary);
    inside(pytest)?;
    let packed = cache.join("python-client-dist");
    let _ = std::fs::remove_dir_all(&packed);
    let mut build = with("python", &["-m", "build", "--quiet", "--outdir"]);
    build.arg(&packed).arg(client);
    inside(build)?;
    let files = std::fs::read_dir(&packed).map_err(|error| format!("{}: {error}", packed.display()))?;
    let mut check = with("twine", &["check", "--strict"]);
    check.args(files.flatten().map(|file| file.path()));
    inside(check)
}
