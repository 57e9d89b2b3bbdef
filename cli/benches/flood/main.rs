//! A whole process, flooded over loopback: messages for each CPU second of it, what was lost, and its memory.
//!
//!     cargo xtask bench [--binary FILE] [--against FILE] [--turns N] [SHAPE…]
//!
//! It runs `metlog up` with the journal on and an empty folder, sends from the one thread of this process for some
//! seconds, waits until the ledger holds nothing, and divides what was received by the user and system time of the
//! process. With `--against` the two binaries run in turns, shape by shape, since machines are noisy: only what ran
//! side by side can be compared. The shapes are in `shapes`; what is printed is the table of `docs/benchmarks.md`.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run shall say where")]
mod jaeger;
mod process;
mod shapes;

use process::Process;
use shapes::{SHAPES, Shape, To};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long is sent in a run.
const SECONDS: u64 = 8;
/// statsd's default, and ours.
const WINDOW: &str = "10s";

/// What one run came to.
struct Outcome {
    sent: u64,
    received: u64,
    rejected: u64,
    dropped: u64,
    cpu_seconds: f64,
    peak_mib: u64,
}

impl Outcome {
    fn millions(&self) -> f64 {
        self.received as f64 / self.cpu_seconds / 1e6
    }
}

fn run(binary: &Path, shape: &Shape) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(binary, folder.path(), WINDOW);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = match shape.to {
        To::Metlog => process.metlog,
        To::Statsd => process.statsd,
        To::Jaeger => process.jaeger,
    };
    socket.connect(("127.0.0.1", port)).unwrap();
    let before = process.cpu_seconds();
    let sent = (shape.send)(&socket, Instant::now() + Duration::from_secs(SECONDS));
    let ledger = process.drained();
    let count = |column: &str| ledger[column].as_u64().unwrap();
    Outcome {
        sent,
        received: count("received"),
        rejected: count("rejected"),
        // Datagrams by the kernel, messages by a journal that is full.
        dropped: count("dropped_by_kernel") + count("dropped"),
        cpu_seconds: process.cpu_seconds() - before,
        peak_mib: process.peak_mib(),
    }
}

/// What is asked for.
struct Asked {
    binary: PathBuf,
    against: Option<PathBuf>,
    turns: usize,
    shapes: Vec<&'static Shape>,
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked { binary: env!("CARGO_BIN_EXE_metlog").into(), against: None, turns: 1, shapes: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            // Cargo's own.
            "--bench" => (),
            "--binary" => asked.binary = value()?.into(),
            "--against" => asked.against = Some(value()?.into()),
            "--turns" => asked.turns = value()?.parse().map_err(|_| "--turns needs a number".to_owned())?,
            name => asked.shapes.push(SHAPES.iter().find(|shape| shape.name == name).ok_or_else(|| {
                let names: Vec<_> = SHAPES.iter().map(|shape| shape.name).collect();
                format!("`{name}` is no shape; there are {}", names.join(", "))
            })?),
        }
    }
    if asked.shapes.is_empty() {
        asked.shapes = SHAPES.iter().collect();
    }
    Ok(asked)
}

/// The smallest and the largest, or both at once where they look the same.
fn range(values: impl Iterator<Item = f64> + Clone, digits: usize) -> String {
    let (least, most) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
    let [least, most] = [least, most].map(|value| format!("{value:.digits$}"));
    if least == most { least } else { format!("{least} to {most}") }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

fn row(name: &str, outcomes: &[Outcome], ratio: &str) {
    println!(
        "| {name} | {} | {} | {} | {} | {} |{ratio}",
        range(outcomes.iter().map(Outcome::millions), 2),
        range(outcomes.iter().map(|outcome| 100.0 * outcome.received as f64 / outcome.sent as f64), 2),
        outcomes.iter().map(|outcome| outcome.dropped).sum::<u64>(),
        outcomes.iter().map(|outcome| outcome.rejected).sum::<u64>(),
        range(outcomes.iter().map(|outcome| outcome.peak_mib as f64), 0),
    );
}

fn main() {
    let asked = asked().unwrap_or_else(|why| {
        eprintln!("{why}");
        std::process::exit(2);
    });
    let ratio_head = if asked.against.is_some() { (" ratio |", "---|") } else { ("", "") };
    println!(
        "| what | million a CPU second | received, % of sent | dropped | rejected | peak MiB |{}\n|---|---|---|---|---|---|{}",
        ratio_head.0, ratio_head.1
    );
    for shape in asked.shapes {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..asked.turns.max(1) {
            ours.push(run(&asked.binary, shape));
            theirs.extend(asked.against.iter().map(|binary| run(binary, shape)));
        }
        let ratios: Vec<f64> =
            ours.iter().zip(&theirs).map(|(ours, theirs)| ours.millions() / theirs.millions()).collect();
        if ratios.is_empty() {
            row(shape.what, &ours, "");
        } else {
            let spread = range(ratios.iter().copied(), 2);
            row(shape.what, &ours, &format!(" {:.2} ({spread}) |", median(ratios)));
            row(&format!("{}: against", shape.name), &theirs, " |");
        }
    }
}
