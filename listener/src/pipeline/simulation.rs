//! A model of the whole: workers, clock, windows, seals, syncs, the background, a store that fails, kills and power cuts,
//! on the real pipeline and real files, in an order that a seed decides. Every run ends with the books: each value and
//! message once, and everything that was acknowledged among them.
//!
//! Two faults can be put in, to see that they are found: an acknowledgement before the sync, and a receipt before the
//! store has the rows.
use super::*;
use crate::config::{JournalConfig, WindowConfig};
use arrow::array::{Array, AsArray};
use arrow::datatypes::Float64Type;
use metlog_schemas::table::Table;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

const WORKERS: usize = 3;
const STEPS: usize = 120;
const SECOND: i64 = 1_000_000;

/// Both clocks; the wall clock may be set.
#[derive(Debug, Default)]
struct SimulatedClock {
    wall: AtomicI64,
    steady: AtomicI64,
}

impl Clock for SimulatedClock {
    fn now(&self) -> Now {
        Now { wall: self.wall.load(Ordering::Relaxed), steady: self.steady.load(Ordering::Relaxed) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    EarlyAcknowledgement,
    EarlyReceipt,
}

fn config(data: &Path) -> Config {
    let usual = super::tests::config(data);
    Config {
        workers: WORKERS,
        journal: JournalConfig {
            budget_bytes: 1 << 20,
            roll_after: Duration::from_secs(3),
            roll_bytes: 4_000,
            ..usual.journal
        },
        statsd_windows: WindowConfig {
            flush_interval: Duration::from_secs(1),
            idle_after: Duration::from_secs(3),
            series_max: 20,
            tags_max: 8,
            ..usual.statsd_windows
        },
        memory_bytes: 4_000,
        ..usual
    }
}

/// What the store has, by segment: payloads and the sum of the counter.
type Stored = BTreeMap<u64, (Vec<String>, f64)>;

struct World {
    random: StdRng,
    clock: Arc<SimulatedClock>,
    data: std::path::PathBuf,
    pipeline: Pipeline,
    store: Stored,
    fault: Fault,
    sent: u64,
    /// Counter values that were taken.
    values: f64,
    /// Messages that wait for a sync, by the position where they end.
    waiting: Vec<(u64, String)>,
    acknowledged: Vec<String>,
    /// Bytes of each file of the journal that are on disk for sure.
    durable: BTreeMap<std::path::PathBuf, u64>,
    log: Vec<String>,
}

fn open(data: &Path, clock: &Arc<SimulatedClock>) -> Pipeline {
    drop(crate::recover::lock(data).unwrap());
    let (found, _) = crate::recover::open(&config(data), &["store"], "store", clock.now().wall).unwrap();
    Pipeline::new(config(data), WORKERS, found, clock.clone())
}

impl World {
    fn new(seed: u64, data: &Path, fault: Fault) -> World {
        let clock = Arc::new(SimulatedClock::default());
        clock.wall.store(1_000 * SECOND, Ordering::Relaxed);
        let pipeline = open(data, &clock);
        let random = StdRng::seed_from_u64(seed);
        World {
            random,
            clock,
            data: data.to_owned(),
            pipeline,
            store: Stored::default(),
            fault,
            sent: 0,
            values: 0.0,
            waiting: Vec::new(),
            acknowledged: Vec::new(),
            durable: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    fn step(&mut self) {
        let step = self.random.random_range(0..100);
        let name = match step {
            0..35 => self.messages(),
            35..50 => self.lines(),
            50..65 => self.time(),
            65..75 => self.tick(),
            75..83 => self.work(),
            83..90 => self.sync(),
            90..95 => self.deliver(),
            95..98 => self.kill(false),
            _ => self.kill(true),
        };
        self.log.push(name.to_owned());
        let ledger = self.pipeline.ledger();
        assert!(ledger.is_balanced(), "{ledger:?} after {:?}", self.log);
    }

    /// One worker takes some messages; who sent them waits until they are safe.
    fn messages(&mut self) -> &'static str {
        let worker = self.random.random_range(0..WORKERS);
        let payloads: Vec<String> =
            (0..self.random.random_range(1..4)).map(|n| format!("p{}", self.sent + n)).collect();
        self.sent += payloads.len() as u64;
        let lines: Vec<String> = payloads.iter().map(|p| format!(r#"{{"type":"t","payload":"{p}"}}"#)).collect();
        let taken = self.pipeline.take(worker, 2, lines.iter().map(|line| (line.as_bytes(), None)));
        if let Taken::Journaled(position) = taken {
            match self.fault {
                Fault::EarlyAcknowledgement => self.acknowledged.extend(payloads),
                _ => self.waiting.extend(payloads.into_iter().map(|payload| (position, payload))),
            }
        }
        "messages"
    }

    fn lines(&mut self) -> &'static str {
        let worker = self.random.random_range(0..WORKERS);
        let n = self.random.random_range(1..5);
        let line = format!("hits:{n}|c\nt:{n}|ms\ndepth:+1|g");
        if self.pipeline.take(worker, 3, std::iter::once((line.as_bytes(), None))) != Taken::Dropped {
            self.values += f64::from(n);
        }
        "lines"
    }

    /// Time passes; now and then somebody sets the wall clock.
    fn time(&mut self) -> &'static str {
        let passed = self.random.random_range(0..SECOND * 3 / 2);
        let jump = match self.random.random_range(0..20) {
            0 => 3_600 * SECOND,
            1 => -1_800 * SECOND,
            _ => 0,
        };
        self.clock.steady.fetch_add(passed, Ordering::Relaxed);
        self.clock.wall.fetch_add(passed + jump, Ordering::Relaxed);
        "time"
    }

    fn tick(&mut self) -> &'static str {
        self.pipeline.tick();
        "tick"
    }

    fn work(&mut self) -> &'static str {
        if self.random.random_range(0..2) == 0 {
            self.pipeline.make_once();
            return "make";
        }
        self.pipeline.write_once().unwrap();
        // It syncs before it lets an older segment go.
        self.note_durable();
        "write"
    }

    fn sync(&mut self) -> &'static str {
        self.pipeline.sync();
        self.note_durable();
        let pipeline = &self.pipeline;
        let done = self.waiting.extract_if(.., |(position, _)| pipeline.synced(*position).is_done());
        self.acknowledged.extend(done.map(|(_, payload)| payload));
        "sync"
    }

    /// Everything that lies in the journal's files by now is on disk: the pipeline synced all that it wrote to.
    fn note_durable(&mut self) {
        for entry in std::fs::read_dir(self.data.join("journal")).unwrap().flatten() {
            self.durable.insert(entry.path(), entry.metadata().map_or(0, |file| file.len()));
        }
    }

    /// The store takes the next segment, or fails, before or after it has the rows.
    fn deliver(&mut self) -> &'static str {
        let Some(number) = self.pipeline.next_segment("store") else { return "nothing to deliver" };
        if self.fault == Fault::EarlyReceipt && self.random.random_range(0..4) == 0 {
            self.pipeline.acknowledge("store", number, false, 0).unwrap();
            return "early receipt";
        }
        let in_order = self.random.random_range(0..2) == 0;
        if self.random.random_range(0..4) == 0 {
            return "store is down";
        }
        let rows = self.rows(number, in_order);
        self.store.insert(number, rows);
        if self.random.random_range(0..4) > 0 {
            self.pipeline.acknowledge("store", number, false, 0).unwrap();
        }
        "deliver"
    }

    fn rows(&self, number: u64, in_order: bool) -> (Vec<String>, f64) {
        let rows = self.pipeline.content_of(number, in_order).unwrap().rows;
        let texts = |rows: &arrow::array::RecordBatch| {
            let payloads = rows.column_by_name("payload").unwrap().as_string::<i32>().clone();
            payloads.iter().flatten().map(str::to_owned).collect::<Vec<_>>()
        };
        let payloads = rows[Table::Messages].iter().flat_map(texts).collect();
        let mut hits = 0.0;
        for metrics in &rows[Table::Metrics] {
            let names = metrics.column_by_name("name").unwrap().as_string::<i32>().clone();
            let counts = metrics.column_by_name("count").unwrap().as_primitive::<Float64Type>().clone();
            hits += (0..names.len()).filter(|at| names.value(*at) == "hits").map(|at| counts.value(at)).sum::<f64>();
        }
        (payloads, hits)
    }

    /// The process ends at once and starts again. A power cut takes what was not synced.
    fn kill(&mut self, power_cut: bool) -> &'static str {
        if power_cut {
            for entry in std::fs::read_dir(self.data.join("journal")).unwrap().flatten() {
                let is_segment = entry.path().extension().is_some_and(|extension| extension == "mlj");
                let durable = self.durable.get(&entry.path()).copied().unwrap_or(16);
                if is_segment && entry.metadata().is_ok_and(|file| file.len() > durable) {
                    let file = std::fs::File::options().write(true).open(entry.path()).unwrap();
                    file.set_len(durable).unwrap();
                    // What is gone is not expected: it was never acknowledged.
                    self.values = f64::NAN;
                }
            }
        }
        self.waiting.clear();
        self.pipeline = open(&self.data, &self.clock);
        self.durable.clear();
        self.note_durable();
        if power_cut { "power cut" } else { "kill" }
    }

    /// Everything is sealed and stored; then the books are read.
    fn end(mut self) -> Result<(), String> {
        for _ in 0..3 {
            self.clock.steady.fetch_add(3 * SECOND, Ordering::Relaxed);
            self.clock.wall.fetch_add(3 * SECOND, Ordering::Relaxed);
            self.pipeline.tick();
            while self.pipeline.make_once() || self.pipeline.write_once().unwrap() {}
            let _ = self.pipeline.seal();
            while self.pipeline.make_once() || self.pipeline.write_once().unwrap() {}
            while let Some(number) = self.pipeline.next_segment("store") {
                let rows = self.rows(number, false);
                self.store.insert(number, rows);
                self.pipeline.acknowledge("store", number, false, 0).unwrap();
            }
        }
        let mut payloads: Vec<&String> = self.store.values().flat_map(|(payloads, _)| payloads).collect();
        payloads.sort();
        let all = payloads.len();
        payloads.dedup();
        if payloads.len() != all {
            return Err(format!("{} messages are stored twice: {:?}", all - payloads.len(), self.log));
        }
        if let Some(lost) = self.acknowledged.iter().find(|payload| payloads.binary_search(payload).is_err()) {
            return Err(format!("{lost} was acknowledged and is not stored: {:?}", self.log));
        }
        let hits: f64 = self.store.values().map(|(_, hits)| hits).sum();
        if !self.values.is_nan() && (hits - self.values).abs() > 1e-9 {
            return Err(format!("{hits} of {} hits are stored: {:?}", self.values, self.log));
        }
        let ledger = self.pipeline.ledger();
        if !ledger.is_balanced() || ledger.held > 0 || ledger.missing > 0 {
            return Err(format!("{ledger:?}: {:?}", self.log));
        }
        Ok(())
    }
}

fn run(seed: u64, fault: Fault) -> Result<(), String> {
    // In memory, where that can be had: thousands of runs wait for no disk.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let mut world = World::new(seed, folder.path(), fault);
    (0..STEPS).for_each(|_| world.step());
    world.end().map_err(|what| format!("seed {seed}: {what}"))
}

/// Seeds of a run: `METLOG_SIMULATION_SEEDS`, or some hundred.
fn seeds() -> u64 {
    std::env::var("METLOG_SIMULATION_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

#[test]
fn whatever_happens_in_whatever_order() {
    for seed in 0..seeds() {
        run(seed, Fault::None).unwrap();
    }
}

#[test]
fn an_early_acknowledgement_is_found() {
    assert!((0..100).any(|seed| run(seed, Fault::EarlyAcknowledgement).is_err()));
}

#[test]
fn an_early_receipt_is_found() {
    assert!((0..100).any(|seed| run(seed, Fault::EarlyReceipt).is_err()));
}
