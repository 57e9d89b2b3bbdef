//! `cargo xtask instructions`: how many instructions the decoders take, counted by valgrind. Unlike times, these are the
//! same on a busy machine, so a regression of a percent shows.
use std::process::Command;

/// Of `schemas/benches/decode.rs`, those that decode this many messages or lines, or nearly so.
const ROWS: u64 = 8_192;
const CASES: [&str; 8] = [
    "statsd/counter many",
    "statsd/mixed many",
    "statsd/dogstatsd many",
    "statsd/packed many",
    "statsd/set many",
    "metlog_json/flat to batch",
    "metlog_json/nested to batch",
    "wire/to batch",
];
/// Matches no case: what the program takes without one.
const NOTHING: &str = "no such case";

/// Prints the table.
///
/// # Errors
/// Where valgrind is not there, or the benchmark cannot be run.
pub fn run(cargo: impl Fn(&[&str]) -> Command) -> Result<(), String> {
    let count = |case: &str| {
        let mut bench =
            cargo(&["bench", "--locked", "--quiet", "--package", "metlog-schemas", "--bench", "decode", "--"]);
        // Each case once, and none but this one.
        bench.args(["--test", "--exact", case]);
        bench.env(runner(), "valgrind --tool=callgrind --callgrind-out-file=/dev/null");
        let output = bench.output().map_err(|error| format!("cargo: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let collected = said.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim());
        let counted = collected.and_then(|count| count.parse::<u64>().ok());
        counted.ok_or_else(|| format!("valgrind counted nothing for {case}; is it installed?\n{said}"))
    };
    let nothing = count(NOTHING)?;
    println!("| case | instructions for a message or line |\n|---|---|");
    for case in CASES {
        println!("| {case} | {} |", count(case)?.saturating_sub(nothing) / ROWS);
    }
    Ok(())
}

/// The variable that names what Cargo runs programs with on this machine.
fn runner() -> String {
    format!("CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_RUNNER", std::env::consts::ARCH.to_uppercase())
}
