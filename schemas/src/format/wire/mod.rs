//! Wire v1 as it is taken in; `crate::wire::v1` reads and writes it.
mod ping;
mod redact;
mod span;

pub use ping::{describe as describe_ping, describe_probe};
pub use span::describe as describe_span;

use super::{Decoded, Entry, Format, InOrder, Redacted, Redactor, Socket, Transport, Verdict, decoded, describe};
use crate::rows::MessageRows;
use crate::span::SpanRows;
use crate::table::{pings, probes};
use crate::wire::limits::PORT_METLOG;
use crate::wire::v1::{Datagram, Frame, MAGIC, SigningKey};
use serde_json::{Value, json};

/// See the module.
#[derive(Debug)]
pub struct Wire;

/// What [`Format::enter`] found out about each datagram of the record, for [`Format::decode`].
#[derive(Debug, Default)]
pub struct Scratch {
    verdicts: Vec<Verdict>,
}

impl Scratch {
    pub(super) fn begin(&mut self) {
        self.verdicts.clear();
    }
}

const CODE: u8 = 2;

impl Format for Wire {
    const NAME: &'static str = "wire";
    const CODE: u8 = CODE;
    const CODE_NAME: &'static str = "metlog";
    const SOCKETS: &'static [Socket] = &[
        Socket {
            key: "metlog",
            name: "metlog",
            code: CODE,
            transport: Transport::Udp,
            default_port: Some(PORT_METLOG),
            yields: false,
        },
        Socket {
            key: "metlog_unix",
            name: "metlog",
            code: CODE,
            transport: Transport::UnixDatagram,
            default_port: None,
            yields: false,
        },
    ];

    fn recognises(datagram: &[u8]) -> bool {
        datagram.first() == MAGIC.first()
    }

    fn count(datagram: &[u8]) -> u64 {
        Datagram::decode(datagram).map_or(1, |datagram| datagram.frames().count().max(1) as u64)
    }

    fn verify(datagram: &[u8], keys: &[SigningKey]) -> Result<(), &'static str> {
        let datagram = Datagram::decode(datagram).map_err(|refusal| refusal.reason())?;
        let id = datagram.header.key_id.ok_or("unsigned")?;
        let key = keys.iter().find(|key| key.id == id).ok_or("unknown_key")?;
        datagram.verify(&key.secret).map_err(|refusal| refusal.reason())
    }

    fn redact(datagram: &[u8], rules: &dyn Redactor) -> Redacted {
        match Datagram::decode(datagram) {
            // Nothing that a rule is about, and its values must arrive.
            Ok(decoded) if decoded.heartbeat.is_some() => {
                Redacted { datagram: Some(datagram.to_vec()), ..Redacted::default() }
            }
            Ok(datagram) => redact::redact(&datagram, rules),
            Err(refusal) => Redacted::refused(refusal.reason()),
        }
    }

    fn enter(datagram: &[u8], at: Entry, scratch: &mut super::Scratch, state: &mut impl InOrder, _: &mut Decoded) {
        let verdict = match Datagram::decode(datagram) {
            Ok(Datagram { header, heartbeat: Some(heartbeat), .. }) => {
                state.heartbeat(&header, &heartbeat, at.received_at);
                Verdict::New
            }
            Ok(datagram) => state.sender(&datagram.header, at.received_at),
            Err(_) => Verdict::New,
        };
        let verdicts = &mut scratch.wire.verdicts;
        verdicts.resize(at.index, Verdict::New);
        verdicts.push(verdict);
    }

    fn decode(bytes: &[u8], at: Entry, scratch: &mut super::Scratch, out: &mut Decoded) {
        let datagram = match Datagram::decode(bytes) {
            Ok(datagram) => datagram,
            Err(refusal) => return out.reject(at, refusal.reason(), 1, bytes),
        };
        let refused = match scratch.wire.verdicts.get(at.index) {
            Some(Verdict::New | Verdict::Late) | None => None,
            Some(Verdict::Duplicate) => Some("duplicate"),
            Some(Verdict::Stale) => Some("replayed"),
            Some(Verdict::Implausible) => Some("implausible_sequence"),
        };
        if let Some(reason) = refused {
            return out.reject(at, reason, datagram.frames().count() as u64, bytes);
        }
        for frame in datagram.frames() {
            match frame {
                Ok(Frame::Message(message)) if decoded::in_range(message.timestamp) => {
                    out.rows.of::<MessageRows>().push_view(&message, at.received_at);
                    out.counts.fact();
                }
                Ok(Frame::Span(view)) => match span::push(&view, at.received_at, out.rows.of::<SpanRows>()) {
                    Ok(()) => out.counts.fact(),
                    Err(refusal) => out.reject(at, refusal.reason(), 1, bytes),
                },
                Ok(Frame::Ping(view)) => match ping::push(&view, at.received_at, out.rows.of::<pings::Rows>()) {
                    Ok(()) => out.counts.fact(),
                    Err(reason) => out.reject(at, reason, 1, bytes),
                },
                Ok(Frame::Probe(view)) => match ping::push_probe(&view, at.received_at, out.rows.of::<probes::Rows>()) {
                    Ok(()) => out.counts.fact(),
                    Err(reason) => out.reject(at, reason, 1, bytes),
                },
                Ok(Frame::Message(_)) => out.reject(at, "timestamp_out_of_range", 1, bytes),
                Err(refusal) => out.reject(at, refusal.reason(), 1, bytes),
            }
        }
    }

    fn describe(bytes: &[u8]) -> Result<Vec<Value>, String> {
        let datagram = Datagram::decode(bytes).map_err(|refusal| refusal.reason().to_owned())?;
        let header = datagram.header;
        if let Some(heartbeat) = datagram.heartbeat {
            return Ok(vec![json!({
                "heartbeat_of": format!("{:016x}", heartbeat.sender), "next": heartbeat.next,
                "opened_at": header.opened_at, "dropped": heartbeat.dropped, "pid": header.pid,
                "hostname": header.hostname, "logger": header.logger, "key_id": header.key_id,
            })]);
        }
        let mut values = vec![json!({
            "sender": format!("{:016x}", header.sender), "sequence": header.sequence, "opened_at": header.opened_at,
            "dropped": header.dropped, "pid": header.pid, "hostname": header.hostname, "logger": header.logger,
            "key_id": header.key_id,
        })];
        values.extend(datagram.frames().map(|frame| match frame {
            Ok(Frame::Message(message)) => describe::message(&message.to_message(), Some(message.timestamp)),
            Ok(Frame::Span(view)) => describe_span(&view),
            Ok(Frame::Ping(view)) => describe_ping(&view),
            Ok(Frame::Probe(view)) => describe_probe(&view),
            Err(refusal) => json!({"refused": refusal.reason()}),
        }));
        Ok(values)
    }
}
