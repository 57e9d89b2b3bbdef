//! Results of the mesh as a listener takes them in: rows of `pings` and `probes`, each counted once.
#![allow(clippy::unwrap_used)]
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};
use metlog_schemas::format::{self, Decoded, Entry, Scratch};
use metlog_schemas::table::{RowBuilder, pings, probes};
use metlog_schemas::wire::v1::{Datagram, Encoder, Frame, Pair, Ping, Probe};
use proptest::prelude::*;

const OPENED_AT: i64 = 1_700_000_000_000_000;
/// The code of records of the wire.
const WIRE: u8 = 2;

fn decoded(bytes: &[u8]) -> Decoded {
    let (mut scratch, mut out) = (Scratch::default(), Decoded::default());
    format::decode(WIRE, bytes, Entry { index: 0, received_at: OPENED_AT }, &mut scratch, &mut out);
    out
}

fn pair<'a>() -> Pair<'a> {
    Pair { source: "a", target: "b", kind: "udp", source_zone: "z", ..Pair::default() }
}

#[test]
fn each_result_is_a_row_and_a_fact() {
    let mut encoder = Encoder::new(1_432, 7, 1, "h", "mesh", None);
    let heard = Ping {
        timestamp: OPENED_AT,
        pair: pair(),
        interval: 1_500_000,
        sent: 3,
        received: 2,
        rtt_count: 2,
        ..Ping::default()
    };
    encoder.push_ping(OPENED_AT, &Ping { rtt_sum: 50, sketch: &[9], ..heard }).unwrap();
    encoder
        .push_ping(
            OPENED_AT,
            &Ping { received: 0, rtt_count: 0, timeouts: 3, lost_unknown: 3, sent: u64::MAX, ..heard },
        )
        .unwrap();
    encoder.push_ping(OPENED_AT, &Ping { pair: Pair { target: "", ..pair() }, ..heard }).unwrap();
    encoder.push_ping(OPENED_AT, &Ping { timestamp: i64::MAX, ..heard }).unwrap();
    let probe = Probe { timestamp: OPENED_AT, pair: pair(), outcome: "lost_forward", ..Probe::default() };
    encoder.push_probe(OPENED_AT, &probe).unwrap();
    let mut out = decoded(encoder.finish(0, 0));
    assert_eq!((out.counts.received, out.counts.facts), (5, 3));
    assert_eq!(out.counts.rejected, [("ping_without_pair", 1), ("timestamp_out_of_range", 1)]);
    let rows = out.rows.of::<pings::Rows>().finish().unwrap();
    let numbers =
        |name: &str| rows.column_by_name(name).unwrap().as_primitive::<Int64Type>().iter().collect::<Vec<_>>();
    assert_eq!(numbers("sent"), [Some(3), Some(i64::MAX)], "SQL has no larger number");
    assert_eq!(numbers("timeouts"), [Some(0), Some(3)]);
    assert_eq!(numbers("rtt_sum"), [Some(50), None]);
    assert_eq!(rows.column_by_name("sketch").unwrap().null_count(), 1);
    assert_eq!(rows.column_by_name("interval_seconds").unwrap().as_primitive::<Float64Type>().value(0), 1.5);
    let rows = out.rows.of::<probes::Rows>().finish().unwrap();
    assert_eq!(rows.column_by_name("outcome").unwrap().as_string::<i32>().value(0), "lost_forward");
    assert!(rows.column_by_name("rtt").unwrap().is_null(0));
}

proptest! {
    /// Guarantees: any result comes back as it was, and one that was damaged is refused or read, never more.
    #[test]
    fn any_result_comes_back(
        names in prop::collection::vec("\\PC{0,20}", 7),
        timestamp in any::<i64>(),
        n in prop::collection::vec(any::<u64>(), 17),
        sketch in prop::collection::vec(any::<u8>(), 0..80),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let pair = Pair {
            source: &names[0], source_zone: &names[1], source_rack: &names[2], target: &names[3],
            target_zone: &names[4], target_rack: &names[5], kind: &names[6],
        };
        let timestamp = timestamp / 4;
        let ping = Ping {
            timestamp, interval: n[0], pair, payload_bytes: n[1], source_port: n[2], sequence: n[3], sent: n[4],
            received: n[5], lost_forward: n[6], lost_reverse: n[7], lost_unknown: n[8], timeouts: n[9], refused: n[10],
            syn_retransmits: n[11], host_late: n[12], rtt_count: n[13], rtt_min: n[14], rtt_max: n[15], rtt_sum: n[16],
            sketch: &sketch,
        };
        let probe = Probe {
            timestamp, pair, payload_bytes: n[0], source_port: n[1], sequence: n[2], number: n[3], outcome: &names[0],
            rtt: (n[4] & 1 == 1).then_some(n[5]), syn_retransmits: n[6], host_late: n[7] & 1 == 1, source_late: n[8],
            target_late: n[9],
        };
        let mut encoder = Encoder::new(65_507, 7, 1, "h", "mesh", None);
        encoder.push_ping(OPENED_AT, &ping).unwrap();
        encoder.push_probe(OPENED_AT, &probe).unwrap();
        let mut bytes = encoder.finish(0, 0).to_vec();
        let frames: Vec<_> = Datagram::decode(&bytes).unwrap().frames().collect();
        prop_assert_eq!(frames, [Ok(Frame::Ping(ping)), Ok(Frame::Probe(probe))]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        decoded(&bytes);
    }
}
