//! What the probes of a round come to: a row of `pings`, and rows of `probes` for those that tell more.
use super::config::Kind;
use crate::probe::outcome::{Outcome, Single};
use metlog::{Client, Pair, Ping, Probe};
use sketches_ddsketch::{Config, DDSketch};
use std::time::Duration;

/// What a round was, apart from its probes.
#[derive(Debug, Clone, Copy)]
pub struct Round<'a> {
    /// Who and whom; the kind is filled in.
    pub pair: Pair<'a>,
    /// Start of the interval, µs since 1970 UTC.
    pub interval_start: i64,
    /// How long it is.
    pub interval: Duration,
    /// Number of the interval.
    pub sequence: u64,
    /// Bytes of a probe's payload.
    pub payload_bytes: usize,
    /// The share of unremarkable probes that have a row of their own.
    pub share: f64,
}

fn micros(time: Duration) -> u64 {
    u64::try_from((time.as_nanos() + 500) / 1_000).unwrap_or(u64::MAX)
}

/// Sends what a round came to.
pub fn send(client: &Client, round: &Round<'_>, kind: Kind, singles: &[Single]) {
    if singles.is_empty() {
        return;
    }
    let pair = Pair { kind: kind.name(), ..round.pair };
    let mut sketch = DDSketch::new(Config::defaults());
    singles.iter().filter_map(Single::network_rtt).for_each(|rtt| sketch.add(rtt.as_nanos() as f64 / 1_000.0));
    let sketch = if sketch.count() == 0 { Vec::new() } else { sketch.to_java_bytes() };
    client.ping(&Ping { pair, sketch: &sketch, ..summed(round, singles) });
    for (number, single) in singles.iter().enumerate() {
        if single.is_remarkable() || (round.share > 0.0 && rand::random::<f64>() < round.share) {
            client.probe(&row(round, pair, number, single));
        }
    }
}

/// All but pair and sketch.
fn summed(round: &Round<'_>, singles: &[Single]) -> Ping<'static> {
    let count = |is: &dyn Fn(&Single) -> bool| singles.iter().filter(|single| is(single)).count() as u64;
    // A connection that lost a SYN and was made is received, and has lost something.
    let lost = |way| count(&|single| single.outcome == way || single.lost_on_the_way == Some(way));
    let rtts: Vec<u64> = singles.iter().filter_map(Single::network_rtt).map(micros).collect();
    let port = singles.first().map_or(0, |single| single.source_port);
    let has_one_port = singles.iter().all(|single| single.source_port == port);
    Ping {
        timestamp: round.interval_start,
        interval: micros(round.interval),
        payload_bytes: round.payload_bytes as u64,
        source_port: if has_one_port { port.into() } else { 0 },
        sequence: round.sequence,
        sent: singles.len() as u64,
        received: count(&|single| single.outcome == Outcome::Received),
        lost_forward: lost(Outcome::LostForward),
        lost_reverse: lost(Outcome::LostReverse),
        lost_unknown: lost(Outcome::LostUnknown),
        timeouts: count(&|single| !matches!(single.outcome, Outcome::Received | Outcome::Refused)),
        refused: count(&|single| single.outcome == Outcome::Refused),
        syn_retransmits: singles.iter().map(|single| u64::from(single.syn_retransmits)).sum(),
        host_late: count(&Single::is_host_late),
        rtt_count: rtts.len() as u64,
        rtt_min: rtts.iter().copied().min().unwrap_or_default(),
        rtt_max: rtts.iter().copied().max().unwrap_or_default(),
        rtt_sum: rtts.iter().sum(),
        ..Ping::default()
    }
}

fn row<'a>(round: &Round<'_>, pair: Pair<'a>, number: usize, single: &Single) -> Probe<'a> {
    Probe {
        timestamp: single.sent_at,
        pair,
        payload_bytes: round.payload_bytes as u64,
        source_port: single.source_port.into(),
        sequence: round.sequence,
        number: number as u64,
        outcome: single.lost_on_the_way.unwrap_or(single.outcome).name(),
        rtt: single.rtt.map(micros),
        syn_retransmits: single.syn_retransmits.into(),
        host_late: single.is_host_late(),
        source_late: micros(single.source_late),
        target_late: micros(single.target_late),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round() -> Round<'static> {
        Round {
            pair: Pair { source: "a", target: "b", ..Pair::default() },
            interval_start: 10_000_000,
            interval: Duration::from_secs(10),
            sequence: 3,
            payload_bytes: 64,
            share: 0.0,
        }
    }

    /// Guarantees: every probe is in the sums once, whatever became of it, and only round trips of the network are measured.
    #[test]
    fn every_probe_is_counted_and_only_the_networks_time_measured() {
        let received =
            Single { outcome: Outcome::Received, rtt: Some(Duration::from_micros(100)), ..Single::default() };
        let late = Single { target_late: Duration::from_millis(30), ..received };
        let of = |outcome| Single { outcome, ..Single::default() };
        let singles = [
            received,
            Single { rtt: Some(Duration::from_nanos(300_499)), ..received },
            late,
            of(Outcome::LostForward),
            of(Outcome::LostReverse),
            of(Outcome::LostUnknown),
            of(Outcome::Refused),
        ];
        let ping = summed(&round(), &singles);
        assert_eq!((ping.sent, ping.received, ping.host_late, ping.refused, ping.timeouts), (7, 3, 1, 1, 3));
        assert_eq!(ping.sent, ping.received + ping.lost_forward + ping.lost_reverse + ping.lost_unknown + ping.refused);
        assert_eq!((ping.rtt_count, ping.rtt_min, ping.rtt_max, ping.rtt_sum), (2, 100, 300, 400));
    }

    /// Guarantees: a connection that lost SYNs and was made is received, its losses have a direction, and it measures nothing.
    #[test]
    fn a_connection_that_lost_a_syn_is_received_and_has_lost() {
        let way = Some(Outcome::LostReverse);
        let single =
            Single { outcome: Outcome::Received, lost_on_the_way: way, syn_retransmits: 2, ..Single::default() };
        let single = Single { rtt: Some(Duration::from_secs(2)), ..single };
        let ping = summed(&round(), &[single]);
        assert_eq!((ping.sent, ping.received, ping.timeouts, ping.lost_reverse, ping.syn_retransmits), (1, 1, 0, 1, 2));
        assert_eq!((ping.rtt_count, single.is_remarkable()), (0, true));
        assert_eq!(row(&round(), round().pair, 0, &single).outcome, "lost_reverse");
    }
}
