//! The format `toy`, which only tests have: it shows that a format is one folder. Lines of `name=value`; each `;` in the
//! value begins a note.
use super::{Decoded, Entry, Format, InOrder, Redacted, Redactor, Socket, Transport};
use crate::table::toy::{Rows, Toy};
use crate::wire::v1::SigningKey;
use serde_json::{Value, json};

/// See the module.
#[derive(Debug)]
pub struct ToyLines;

/// Gives each row its id.
#[derive(Debug, Default)]
pub struct Scratch {
    rows: u128,
}

impl Scratch {
    pub(super) fn begin(&mut self) {
        self.rows = 0;
    }
}

const CODE: u8 = super::CODE_FIRST_NEW;

impl Format for ToyLines {
    const NAME: &'static str = "toy";
    const CODE: u8 = CODE;
    const CODE_NAME: &'static str = "toy";
    const SOCKETS: &'static [Socket] =
        &[Socket { key: "toy", name: "toy", code: CODE, transport: Transport::Udp, default_port: None, yields: false }];

    fn recognises(datagram: &[u8]) -> bool {
        datagram.contains(&b'=')
    }

    fn count(datagram: &[u8]) -> u64 {
        lines(datagram).count().max(1) as u64
    }

    fn verify(_: &[u8], keys: &[SigningKey]) -> Result<(), &'static str> {
        if keys.is_empty() { Ok(()) } else { Err("unsigned") }
    }

    fn redact(datagram: &[u8], rules: &dyn Redactor) -> Redacted {
        let mut redacted = Redacted::default();
        let mut kept = Vec::new();
        for line in lines(datagram) {
            let Some((name, value)) = parts(line) else {
                redacted.rejected.push(("toy_bad_line", 1));
                continue;
            };
            let mut tags = vec![(name.to_owned(), value.to_owned())];
            rules.tags(&mut tags);
            for (name, value) in tags {
                kept.extend_from_slice(format!("{name}={value}\n").as_bytes());
            }
        }
        redacted.datagram = (!kept.is_empty()).then_some(kept);
        redacted
    }

    fn enter(_: &[u8], _: Entry, _: &mut super::Scratch, _: &mut impl InOrder, _: &mut Decoded) {}

    fn decode(datagram: &[u8], at: Entry, scratch: &mut super::Scratch, out: &mut Decoded) {
        for line in lines(datagram) {
            let Some((name, value)) = parts(line) else {
                out.reject(at, "toy_bad_line", 1, line);
                continue;
            };
            let mut notes = value.split(';');
            let number = notes.next().unwrap_or_default();
            let marks = notes.map(|note| (at.received_at, (!note.is_empty()).then(|| note.to_owned()))).collect();
            scratch.toy.rows += 1;
            let id = (u128::from(at.received_at.cast_unsigned()) << 64) | ((at.index as u128) << 32) | scratch.toy.rows;
            out.rows.of::<Rows>().push(Toy {
                timestamp: at.received_at,
                id,
                name: name.to_owned(),
                value: number.parse().ok(),
                marks,
                sizes: vec![("name".into(), name.len() as i64), ("value".into(), value.len() as i64)],
            });
            out.counts.fact();
        }
    }

    fn describe(datagram: &[u8]) -> Result<Vec<Value>, String> {
        let values: Vec<Value> =
            lines(datagram).filter_map(parts).map(|(name, value)| json!({"name": name, "value": value})).collect();
        if values.is_empty() { Err("toy_bad_line".to_owned()) } else { Ok(values) }
    }
}

fn lines(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    datagram.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn parts(line: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(line).ok()?.split_once('=').filter(|(name, _)| !name.is_empty())
}
