//! statsd lines as they are taken in: values into the open window, events and checks as messages.
use super::{Annotation, GaugeDeltas, Lines, Reason, Sample, Value, canonical, parse, redact};
use crate::format::{Decoded, Entry, Format, InOrder, Redacted, Redactor, Socket, Transport, decoded, describe};
use crate::rows::MessageRows;
use crate::wire::limits::PORT_STATSD;
use crate::wire::v1::SigningKey;
use serde_json::{Value as Json, json};

/// See the parent module.
#[derive(Debug)]
pub struct Statsd;

/// Nothing is kept from one datagram to the next.
#[derive(Debug, Default)]
pub struct Scratch;

impl Scratch {
    pub(in crate::format) fn begin(&mut self) {}
}

const CODE: u8 = 3;

impl Format for Statsd {
    const NAME: &'static str = "statsd";
    const CODE: u8 = CODE;
    const CODE_NAME: &'static str = "statsd";
    const SOCKETS: &'static [Socket] = &[
        Socket {
            key: "statsd",
            name: "statsd",
            code: CODE,
            transport: Transport::Udp,
            default_port: Some(PORT_STATSD),
            yields: false,
        },
        Socket {
            key: "statsd_unix",
            name: "statsd",
            code: CODE,
            transport: Transport::UnixDatagram,
            default_port: None,
            yields: false,
        },
        Socket {
            key: "statsd_tcp",
            name: "statsd_tcp",
            code: CODE,
            transport: Transport::TcpLines,
            default_port: None,
            yields: false,
        },
        Socket {
            key: "statsd_unix_stream",
            name: "statsd_unix_stream",
            code: CODE,
            transport: Transport::UnixLines,
            default_port: None,
            yields: false,
        },
    ];

    /// Any bytes may be lines.
    fn recognises(_: &[u8]) -> bool {
        true
    }

    fn count(datagram: &[u8]) -> u64 {
        let mut lines = Count(0);
        parse(datagram, &mut lines);
        lines.0.max(1)
    }

    /// There is nothing that could be signed, and nobody asks for it.
    fn verify(_: &[u8], _: &[SigningKey]) -> Result<(), &'static str> {
        Ok(())
    }

    fn redact(datagram: &[u8], rules: &dyn Redactor) -> Redacted {
        redact::redact(datagram, rules)
    }

    /// All of it: the order of values matters.
    fn enter(
        datagram: &[u8],
        at: Entry,
        scratch: &mut crate::format::Scratch,
        state: &mut impl InOrder,
        out: &mut Decoded,
    ) {
        let count = parse(datagram, &mut Taken { state, out, at, deltas: scratch.options.gauge_deltas });
        state.packet(count);
        if count == 0 {
            out.reject(at, "empty", 1, datagram);
        }
    }

    fn decode(_: &[u8], _: Entry, _: &mut crate::format::Scratch, _: &mut Decoded) {}

    fn describe(datagram: &[u8]) -> Result<Vec<Json>, String> {
        let mut lines = Described::default();
        // One by one: a value does not say which line it is of.
        for line in datagram.split(|byte| *byte == b'\n') {
            lines.line = line.strip_suffix(b"\r").unwrap_or(line);
            parse(line, &mut lines);
        }
        match lines.readable {
            true => Ok(lines.values),
            false => Err(lines.why.map_or("empty", Reason::reason).to_owned()),
        }
    }
}

struct Count(u64);

impl Lines for Count {
    fn sample(&mut self, _: Sample<'_>) {
        self.0 += 1;
    }

    fn message(&mut self, _: &Annotation<'_>) {
        self.0 += 1;
    }

    fn bad(&mut self, _: &[u8], _: Reason) {
        self.0 += 1;
    }
}

struct Taken<'a, S> {
    state: &'a mut S,
    out: &'a mut Decoded,
    at: Entry,
    deltas: GaugeDeltas,
}

impl<S: InOrder> Lines for Taken<'_, S> {
    #[inline]
    fn sample(&mut self, sample: Sample<'_>) {
        self.out.add(&self.deltas.apply(sample), self.state, self.at);
    }

    fn message(&mut self, annotation: &Annotation<'_>) {
        let mut row = self.out.rows.of::<MessageRows>().begin();
        annotation.write(&mut row);
        if row.timestamp.is_none_or(decoded::in_range) {
            row.commit(self.at.received_at);
            self.out.counts.fact();
        } else {
            self.out.reject(self.at, "timestamp_out_of_range", 1, &[]);
        }
    }

    fn bad(&mut self, line: &[u8], reason: Reason) {
        self.out.reject(self.at, reason.reason(), 1, line);
        self.state.bad_line();
    }
}

/// What lines hold: each value, event and refusal as an object of its own, with the line that it is of.
#[derive(Default)]
struct Described<'l> {
    line: &'l [u8],
    values: Vec<Json>,
    /// True if any line can be read.
    readable: bool,
    why: Option<Reason>,
}

impl Described<'_> {
    fn push(&mut self, mut value: Json) {
        value["statsd"] = String::from_utf8_lossy(self.line).into();
        self.values.push(value);
    }

    fn refused(&mut self, reason: Reason) {
        self.why = self.why.or(Some(reason));
        self.push(describe::refused(reason.reason(), self.line));
    }
}

impl Lines for Described<'_> {
    fn sample(&mut self, sample: Sample<'_>) {
        self.readable = true;
        let (name, tags) = match canonical(sample.name, sample.tags) {
            Ok(clean) => clean,
            Err(reason) => return self.refused(reason),
        };
        let value: Json = match sample.value {
            Value::Number(number) | Value::Delta(number) => number.into(),
            Value::Member(member) => String::from_utf8_lossy(member).into(),
        };
        let tags: serde_json::Map<_, _> = tags.into_iter().map(|(key, value)| (key, value.into())).collect();
        let mut described =
            json!({"name": name, "kind": sample.kind.name(), "value": value, "rate": sample.rate, "tags": tags});
        if matches!(sample.value, Value::Delta(_)) {
            // Added to the gauge, or set where DogStatsD is meant; a plain number is what the gauge becomes.
            described["delta"] = true.into();
            if sample.is_dogstatsd {
                described["dogstatsd"] = true.into();
            }
        }
        self.push(described);
    }

    fn message(&mut self, annotation: &Annotation<'_>) {
        self.readable = true;
        let mut rows = MessageRows::default();
        let mut row = rows.begin();
        annotation.write(&mut row);
        self.push(describe::message(&row.to_message(0), row.timestamp));
    }

    fn bad(&mut self, _: &[u8], reason: Reason) {
        self.refused(reason);
    }
}
