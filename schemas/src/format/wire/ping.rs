//! Results of the mesh on the wire: into rows, and as JSON for an operator and in the examples.
use super::super::decoded::in_range;
use crate::table::{pings, probes};
use crate::wire::v1::{Pair, Ping, Probe};
use serde_json::{Value as Json, json};

/// Appends a result as a row.
///
/// # Errors
/// The reason of its refusal.
pub(super) fn push(ping: &Ping<'_>, received_at: i64, rows: &mut pings::Rows) -> Result<(), &'static str> {
    checked(&ping.pair, ping.timestamp)?;
    rows.push(ping, received_at);
    Ok(())
}

/// Appends a single probe as a row.
///
/// # Errors
/// The reason of its refusal.
pub(super) fn push_probe(probe: &Probe<'_>, received_at: i64, rows: &mut probes::Rows) -> Result<(), &'static str> {
    checked(&probe.pair, probe.timestamp)?;
    rows.push(probe, received_at);
    Ok(())
}

fn checked(pair: &Pair<'_>, timestamp: i64) -> Result<(), &'static str> {
    if !in_range(timestamp) {
        return Err("timestamp_out_of_range");
    }
    if pair.source.is_empty() || pair.target.is_empty() || pair.kind.is_empty() {
        return Err("ping_without_pair");
    }
    Ok(())
}

fn pair_json(pair: &Pair<'_>) -> Json {
    json!({
        "source": pair.source, "source_zone": pair.source_zone, "source_rack": pair.source_rack,
        "target": pair.target, "target_zone": pair.target_zone, "target_rack": pair.target_rack, "kind": pair.kind,
    })
}

/// A result for an operator, and as the examples write it.
pub fn describe(ping: &Ping<'_>) -> Json {
    json!({
        "pair": pair_json(&ping.pair), "timestamp": ping.timestamp, "interval": ping.interval,
        "payload_bytes": ping.payload_bytes, "source_port": ping.source_port, "sequence": ping.sequence, "sent": ping.sent,
        "received": ping.received, "lost": [ping.lost_forward, ping.lost_reverse, ping.lost_unknown],
        "timeouts": ping.timeouts, "refused": ping.refused, "syn_retransmits": ping.syn_retransmits,
        "host_late": ping.host_late, "rtt": [ping.rtt_count, ping.rtt_min, ping.rtt_max, ping.rtt_sum],
        "sketch": crate::span::hex(ping.sketch),
    })
}

/// A single probe for an operator, and as the examples write it.
pub fn describe_probe(probe: &Probe<'_>) -> Json {
    json!({
        "pair": pair_json(&probe.pair), "timestamp": probe.timestamp, "payload_bytes": probe.payload_bytes,
        "source_port": probe.source_port, "sequence": probe.sequence, "number": probe.number, "outcome": probe.outcome,
        "rtt": probe.rtt, "syn_retransmits": probe.syn_retransmits, "host_late": probe.host_late,
        "late": [probe.source_late, probe.target_late],
    })
}
