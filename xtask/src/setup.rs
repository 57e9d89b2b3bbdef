//! What the tests need besides Rust: other programs of the field, from PyPI, npm and the system's packages.
use crate::run;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Pinned, so that a test fails for our changes and not for theirs. Old `setuptools`: carbon asks for `pkg_resources`.
const PYTHON: [&str; 11] = [
    "setuptools<81",
    "carbon==1.1.10",
    "whisper==1.1.10",
    "duckdb==2.0.0",
    "pyspark==4.3.0",
    "statsd==4.0.1",
    "pandas==3.1.1",
    "pyarrow==26.0.1",
    "requests==2.34.2",
    "adbc-driver-flightsql==1.13.0",
    "adbc-driver-manager==1.13.0",
];
/// In an environment of its own: graphite-web needs an old Django.
const GRAPHITE: [&str; 5] =
    ["setuptools<81", "graphite-web==1.1.10", "carbon==1.1.10", "whisper==1.1.10", "Django==3.0.14"];
const NODE: [&str; 4] = ["statsd@0.9.0", "playwright-core@1.65.1", "axe-core@4.14.1", "eslint@10.15.0"];
/// Tracing clients of the field, which need an old SDK of OpenTelemetry: an environment of their own.
const TRACERS: [&str; 8] = [
    "setuptools<81",
    "jaeger-client==4.8.0",
    "six==1.17.0",
    "opentelemetry-sdk==1.21.0",
    "opentelemetry-exporter-jaeger-thrift==1.21.0",
    "opentelemetry-exporter-jaeger-proto-grpc==1.21.0",
    "py-zipkin==1.2.8",
    "facebook-scribe==2.0.post1",
];
/// Likewise of npm.
const TRACERS_NODE: [&str; 11] = [
    "jaeger-client@3.19.0",
    "@opentelemetry/api@1.10.0",
    "@opentelemetry/exporter-jaeger@2.11.0",
    "@opentelemetry/exporter-zipkin@3.1.0",
    "@opentelemetry/resources@2.12.0",
    "@opentelemetry/sampler-jaeger-remote@0.222.0",
    "@opentelemetry/sdk-trace-base@2.12.0",
    "@opentelemetry/sdk-trace-node@2.12.0",
    "zipkin@0.22.0",
    "zipkin-encoder-thrift@0.22.0",
    "zipkin-transport-http@0.22.0",
];
/// Sends what a description of an API allows, and what it does not.
const SCHEMATHESIS: [&str; 1] = ["schemathesis==4.32.5"];
/// Programs, and the system package that has each.
const PROGRAMS: [(&str, &str); 8] = [
    ("python3", "python3-venv"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("java", "default-jre-headless"),
    ("chromium", "chromium"),
    ("javac", "default-jdk-headless"),
    ("mvn", "maven"),
    ("memcached", "memcached"),
];

/// The driver of JDBC, from Maven Central.
const JDBC: &str = "org.apache.arrow:flight-sql-jdbc-driver:18.3.0";

/// Where things were installed.
pub struct Tools {
    /// The driver of JDBC.
    pub jdbc: PathBuf,
    /// A Python environment.
    pub venv: PathBuf,
    /// Another one, with graphite-web.
    pub graphite: PathBuf,
    /// A folder of Node packages.
    pub node_modules: PathBuf,
    /// A Python environment with tracing clients.
    pub tracers: PathBuf,
    /// A Python environment with schemathesis.
    pub schemathesis: PathBuf,
    /// A folder of Node packages with tracing clients.
    pub tracers_node_modules: PathBuf,
}

/// Installs what is missing below `cache`.
pub fn install(cache: &Path) -> Result<Tools, String> {
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !runs(program)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        let apt = |arguments: &[&str]| run(Command::new("apt-get").args(arguments).args(&missing));
        let update = run(Command::new("apt-get").args(["update", "-qq"]));
        update.and_then(|()| apt(&["install", "-y", "-qq"])).map_err(|why| {
            format!(
                "{why}\nthe tests need more programs; install them with:\n    sudo apt-get install {}",
                missing.join(" ")
            )
        })?;
    }
    std::fs::create_dir_all(cache).map_err(|error| format!("{}: {error}", cache.display()))?;
    let tools = Tools {
        jdbc: cache.join("jdbc/flight-sql-jdbc-driver-18.3.0.jar"),
        venv: cache.join("venv"),
        graphite: cache.join("graphite"),
        node_modules: cache.join("node/node_modules"),
        tracers: cache.join("tracers"),
        schemathesis: cache.join("schemathesis"),
        tracers_node_modules: cache.join("tracers-node/node_modules"),
    };
    once(&cache.join("jdbc.installed"), JDBC, || {
        let copy = ["-q", "-B", "dependency:copy", &format!("-Dartifact={JDBC}")];
        let folder = format!("-DoutputDirectory={}", cache.join("jdbc").display());
        run(Command::new("mvn").current_dir(cache).args(copy).arg(folder))
    })?;
    venv(cache, "tracers", &TRACERS)?;
    // What they ask of each other was said before the newest of them were there.
    node(cache, "tracers-node", &["--legacy-peer-deps"], &TRACERS_NODE)?;
    venv(cache, "venv", &PYTHON)?;
    venv(cache, "schemathesis", &SCHEMATHESIS)?;
    venv(cache, "graphite", &GRAPHITE)?;
    // Without its optional packages, which need a compiler and speak to nobody here.
    node(cache, "node", &["--omit=optional"], &NODE)?;
    Ok(tools)
}

/// A Python environment of this name below `cache`, with these packages.
pub fn venv(cache: &Path, name: &str, packages: &[&str]) -> Result<(), String> {
    let folder = cache.join(name);
    once(&cache.join(format!("{name}.installed")), &packages.join(" "), || {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(packages))
    })
}

/// A folder of this name below `cache` with these Node packages, installed with options besides the usual ones.
pub fn node(cache: &Path, name: &str, options: &[&str], packages: &[&str]) -> Result<(), String> {
    let folder = cache.join(name);
    once(&cache.join(format!("{name}.installed")), &packages.join(" "), || {
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut install = Command::new("npm");
        install.arg("install").args(options).args(["--no-audit", "--no-fund", "--prefix"]);
        run(install.arg(&folder).args(packages))
    })
}

fn runs(program: &str) -> bool {
    let version = if program == "java" { "-version" } else { "--version" };
    let mut command = Command::new(program);
    command.arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Does `install` unless the stamp says that just these packages are there.
pub fn once(stamp: &Path, packages: &str, install: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    if std::fs::read_to_string(stamp).is_ok_and(|installed| installed == packages) {
        return Ok(());
    }
    install()?;
    std::fs::write(stamp, packages).map_err(|error| format!("{}: {error}", stamp.display()))
}
