//! OpenTelemetry's own exporters against the binary: what they need is installed beside what other tests need, since the
//! versions that go together differ.
use crate::{run, setup};
use std::path::Path;
use std::process::Command;

const PYTHON: [&str; 3] = [
    "opentelemetry-sdk==1.45.2",
    "opentelemetry-exporter-otlp-proto-grpc==1.45.2",
    "opentelemetry-exporter-otlp-proto-http==1.45.2",
];
const PYTHON_JSON: [&str; 1] = ["opentelemetry-exporter-otlp-json-http==0.66b1"];
const NODE: [&str; 4] = [
    "@opentelemetry/exporter-trace-otlp-grpc@0.223.1",
    "@opentelemetry/exporter-trace-otlp-http@0.223.1",
    "@opentelemetry/exporter-trace-otlp-proto@0.223.1",
    "@opentelemetry/sdk-trace-node@2.12.0",
];

/// Installs what is missing below `cache`, and runs the senders.
pub fn test(root: &Path, cache: &Path, binary: &Path) -> Result<(), String> {
    let folder = cache.join("otlp");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    setup::venv(&folder, "python", &PYTHON)?;
    setup::venv(&folder, "python-json", &PYTHON_JSON)?;
    setup::node(&folder, "node", &["--omit=optional", "--ignore-scripts"], &NODE)?;
    run(Command::new(folder.join("python/bin/python"))
        .arg(root.join("xtask/system/trace_readers.py"))
        .arg("--binary")
        .arg(binary))?;
    run(Command::new(folder.join("python/bin/python"))
        .arg(root.join("xtask/system/otlp_senders.py"))
        .arg("--binary")
        .arg(binary)
        .arg("--python-json")
        .arg(folder.join("python-json/bin/python"))
        .arg("--node")
        .arg(folder.join("node/node_modules")))
}
