//! What results of the mesh cost to store.
#![allow(clippy::unwrap_used)]
use metlog_schemas::table::{RowBuilder, Table, TableMap, pings, probes};
use metlog_schemas::wire::v1::{Pair, Ping, Probe};
use metlog_sink::Batch;
use metlog_sink::parquet::{Config, encode_only};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sketches_ddsketch::DDSketch;

/// Stored for each probe, at most: Pingmesh had 120.
const BYTES_A_PROBE_MAX: f64 = 10.0;
const START: i64 = 1_700_000_000_000_000;
const INTERVAL: u64 = 10_000_000;
/// An agent of a full mesh, for a segment of five minutes.
const TARGETS: usize = 127;
const INTERVALS: u64 = 30;

/// A train's round trips: most are short, some wait for a processor.
fn round_trips(random: &mut StdRng, base: f64, count: usize) -> Vec<f64> {
    let one = |random: &mut StdRng| {
        let tail = if random.random_range(0..100) == 0 { random.random_range(1.0..40.0) } else { 1.0 };
        base * tail * (1.0 + random.random_range(0.0..0.6_f64))
    };
    (0..count).map(|_| one(random)).collect()
}

fn ping<'a>(
    pair: Pair<'a>,
    timestamp: i64,
    round_trips: &[f64],
    sketch: &'a [u8],
    port: u64,
    sequence: u64,
) -> Ping<'a> {
    let micros: Vec<u64> = round_trips.iter().map(|rtt| *rtt as u64).collect();
    let sent = round_trips.len() as u64;
    Ping {
        timestamp,
        interval: INTERVAL,
        pair,
        payload_bytes: 64,
        source_port: port,
        sequence,
        sent,
        received: sent,
        rtt_count: sent,
        rtt_min: *micros.iter().min().unwrap(),
        rtt_max: *micros.iter().max().unwrap(),
        rtt_sum: micros.iter().sum(),
        sketch,
        ..Ping::default()
    }
}

/// Guarantees: with a loss of one in a thousand, each with a row of its own, a probe takes ten bytes at most.
#[test]
fn a_probe_takes_ten_bytes() {
    let mut random = StdRng::seed_from_u64(11);
    let (mut rows, mut singles, mut sent) = (pings::Rows::default(), probes::Rows::default(), 0);
    for sequence in 0..INTERVALS {
        for target in 0..TARGETS {
            let (name, rack) = (format!("node-{target:03}.example.org"), format!("rack-{}", target / 16));
            let pair = Pair {
                source: "node-127.example.org",
                source_zone: "a",
                source_rack: "rack-7",
                target: &name,
                ..Pair::default()
            };
            let pair = Pair { target_zone: if target < 64 { "a" } else { "b" }, target_rack: &rack, ..pair };
            let base = 30.0 + target as f64;
            for (kind, count) in [("udp", 10), ("tcp", 1)] {
                let pair = Pair { kind, ..pair };
                let round_trips = round_trips(&mut random, base, count);
                let mut sketch = DDSketch::new(sketches_ddsketch::Config::defaults());
                round_trips.iter().for_each(|rtt| sketch.add(*rtt));
                let port = if kind == "udp" { 40_000 + sequence % 16 } else { random.random_range(32_768..61_000) };
                let timestamp = START + (sequence * INTERVAL) as i64;
                let received = timestamp + random.random_range(0..10_000_000);
                rows.push(&ping(pair, timestamp, &round_trips, &sketch.to_java_bytes(), port, sequence), received);
                sent += count;
                if random.random_range(0..100) == 0 {
                    let lost = Probe {
                        timestamp: received,
                        pair,
                        outcome: "lost_forward",
                        source_port: port,
                        ..Probe::default()
                    };
                    singles.push(&Probe { payload_bytes: 64, sequence, ..lost }, received);
                }
            }
        }
    }
    let mut tables = TableMap::default();
    tables[Table::Pings] = vec![rows.finish().unwrap()];
    tables[Table::Probes] = vec![singles.finish().unwrap()];
    let batch = Batch { listener: "l".into(), segment: 1, rows: tables, windows: Vec::new() };
    let bytes = encode_only(&batch, &Config::default()).unwrap() as f64 / sent as f64;
    println!("{bytes:.2} bytes a probe, of {sent} probes");
    assert!(bytes <= BYTES_A_PROBE_MAX, "{bytes:.2} bytes a probe");
}
