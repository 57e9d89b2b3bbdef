//! The clients in other languages: each is linted, tested beside a running metlog, and packed as it would be published.
use crate::run;
use crate::setup::{node, once};
use std::path::Path;
use std::process::Command;

/// Passes all tests of the clients, or of those that are named: `python`, `js`.
///
/// # Errors
/// The command that failed.
pub fn test(root: &Path, cache: &Path, binary: &Path, names: &[String]) -> Result<(), String> {
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|one| one == name);
    if is_wanted("python") {
        python(&root.join("clients/python"), cache, binary)?;
    }
    if is_wanted("js") {
        javascript(&root.join("clients/js"), cache, binary)?;
    }
    Ok(())
}

/// Its development dependencies lie in the cache, beside a copy of what is tested.
fn javascript(client: &Path, cache: &Path, binary: &Path) -> Result<(), String> {
    let copy = cache.join("js-client");
    let failed = |error: std::io::Error| format!("{}: {error}", copy.display());
    let lock = client.join("package-lock.json");
    let pins = std::fs::read_to_string(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    std::fs::create_dir_all(copy.join("clients/js")).map_err(failed)?;
    let inside = copy.join("clients/js");
    let replace = |from: &Path, to: &Path| run(Command::new("cp").arg("-r").arg(from).arg(to));
    for name in ["benchmarks", "lib", "test"] {
        let _ = std::fs::remove_dir_all(inside.join(name));
    }
    let folders = ["benchmarks", "lib", "test"];
    let files = ["package.json", "package-lock.json", "eslint.config.js"];
    // What is packed besides.
    let texts = ["README.md", "API.md", "MIGRATING.md", "LICENSE-APACHE", "LICENSE-MIT"];
    for name in folders.iter().chain(&files).chain(&texts) {
        replace(&client.join(name), &inside)?;
    }
    // The vectors lie where they lie in the repository, seen from the tests.
    let schemas = copy.join("schemas");
    let _ = std::fs::remove_dir_all(&schemas);
    std::fs::create_dir_all(&schemas).map_err(failed)?;
    replace(&client.join("../../schemas/examples"), &schemas)?;
    once(&cache.join("js-client.installed"), &pins, || {
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--prefix"]).arg(&inside))
    })?;
    // These tools look around where they are started.
    let tool = |name: &str, arguments: &[&str]| {
        let mut command = Command::new("env");
        command.arg("--chdir").arg(&inside).arg("node").arg(inside.join("node_modules").join(name)).args(arguments);
        run(&mut command)
    };
    tool("eslint/bin/eslint.js", &["."])?;
    tool("typescript/bin/tsc", &["-p", "test"])?;
    run(Command::new("node").arg("--test").args(tests(&inside.join("test"))?).env("METLOG_BINARY", binary))?;
    other_runtimes(&inside, cache, binary)?;
    tool("publint/src/cli.js", &["--strict"])?;
    tool(
        "@arethetypeswrong/cli/dist/index.js",
        &["--pack", ".", "--profile", "node16", "--ignore-rules", "cjs-resolves-to-esm"],
    )
}

/// The core's tests under Bun and Deno.
fn other_runtimes(inside: &Path, cache: &Path, binary: &Path) -> Result<(), String> {
    // Their binaries are packages of npm. Whether npm runs their scripts depends on its version; Bun's puts its binary where
    // its command looks for it.
    node(cache, "js-runtimes", &["--ignore-scripts"], &["bun@1.4.5", "deno@2.9.6"])?;
    let modules = cache.join("js-runtimes/node_modules");
    // It moves the binary, and can do so once.
    if modules.join("@oven/bun-linux-x64/bin/bun").exists() {
        run(Command::new("env").arg("--chdir").arg(modules.join("bun")).args(["node", "install.js"]))?;
    }
    let tests = ["client", "ledger", "spans", "vectors"].map(|name| format!("./test/{name}.test.js"));
    let programs = modules.join(".bin");
    for (name, arguments) in [
        ("bun", &["test", "--timeout", "60000"][..]),
        ("deno", &["test", "--no-prompt", "--no-check", "--allow-all"][..]),
    ] {
        let mut command = Command::new("env");
        command.arg("--chdir").arg(inside).arg(programs.join(name)).args(arguments).args(&tests);
        run(command.env("METLOG_BINARY", binary).env("NO_COLOR", "1").env("DENO_NO_UPDATE_CHECK", "1"))?;
    }
    Ok(())
}

/// The files that are tests.
fn tests(folder: &Path) -> Result<Vec<std::path::PathBuf>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(".test.js"));
    files.sort();
    if files.is_empty() { Err(format!("{}: there is no test", folder.display())) } else { Ok(files) }
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
    let files: Vec<_> = files.flatten().map(|file| file.path()).collect();
    let mut check = with("twine", &["check", "--strict"]);
    check.args(&files);
    inside(check)?;
    python_wheel(client, cache, &tool("mypy"), &files)
}

/// What a user has who installs the wheel: a package that is typed and works without anything else.
fn python_wheel(client: &Path, cache: &Path, mypy: &Path, files: &[std::path::PathBuf]) -> Result<(), String> {
    let venv = cache.join("python-wheel");
    once(&cache.join("python-wheel.installed"), "venv", || {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
    })?;
    let wheels = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "whl"));
    let mut install = Command::new(venv.join("bin/pip"));
    run(install.args(["install", "--quiet", "--force-reinstall", "--no-deps"]).args(wheels))?;
    let program = client.join("tests/apps/typed.py");
    // From elsewhere: a folder of the repository has the name of the package.
    let mut types = Command::new("env");
    types.arg("--chdir").arg(cache).arg(mypy).args(["--strict", "--cache-dir=/dev/null", "--python-executable"]);
    run(types.arg(venv.join("bin/python")).arg(&program))?;
    run(Command::new(venv.join("bin/python")).arg("-I").arg(&program))
}
