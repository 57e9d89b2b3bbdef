//! What must be told in the order of the journal: senders' sequences and statsd windows; and the decoding
//! that needs no order. The same functions serve the live road and the reading back of a journal.
use crate::aggregate::{self, Aggregator, Refused};
use crate::config::{Config, WindowConfig};
use crate::journal::record::{Kind, Record};
use crate::ledger::Totals;
use crate::senders::{Senders, Verdict};
use metlog_schemas::metlog_json::{self, Decoder};
use metlog_schemas::rows::Rows;
use metlog_schemas::statsd::{self, Annotation, Lines, Reason, Sample, Value};
use metlog_schemas::wire::v1::Datagram;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The version of [`Checkpoint`]'s bytes.
const CHECKPOINT_VERSION: u32 = 2;

/// What of the configuration decides what a segment comes to. It is in the segment's checkpoint: a segment is read
/// back as it was written, whatever the configuration says by then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Context {
    hostname: Arc<str>,
    windows: WindowConfig,
    /// µs; where signatures are asked for.
    replay_window: Option<i64>,
}

impl Context {
    /// As configured.
    pub fn new(config: &Config) -> Context {
        let replay_window = (!config.keys.is_empty()).then_some(config.replay_window.as_micros() as i64);
        Context { hostname: config.hostname.as_str().into(), windows: config.statsd_windows.clone(), replay_window }
    }
}

/// All state at the beginning of a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    version: u32,
    /// How the segment is read.
    pub context: Context,
    /// It was written by a start, not by a running listener.
    pub by_start: bool,
    /// Counts of everything before the segment.
    pub totals: Totals,
    /// The open window and all series.
    pub aggregator: aggregate::State,
    /// All senders.
    pub senders: Senders,
}

impl Checkpoint {
    /// Nothing has come yet.
    pub fn empty(context: Context) -> Checkpoint {
        let (totals, aggregator, senders) = Default::default();
        Checkpoint { version: CHECKPOINT_VERSION, context, by_start: true, totals, aggregator, senders }
    }

    /// Of this state and these counts.
    pub fn of(ordered: &Ordered, totals: Totals) -> Checkpoint {
        let (aggregator, senders) = (ordered.aggregator.state(), ordered.senders.clone());
        let context = ordered.context.clone();
        Checkpoint { version: CHECKPOINT_VERSION, context, by_start: false, totals, aggregator, senders }
    }

    /// The state that it tells.
    pub fn ordered(self, now: i64) -> Ordered {
        let Context { hostname, windows, .. } = self.context.clone();
        let aggregator = Aggregator::new(windows, hostname, self.aggregator, now);
        Ordered { senders: self.senders, aggregator, context: self.context }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// Only a defect.
    pub fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_allocvec(self)
    }

    /// Reads [`Checkpoint::encode`]'s bytes; `None` where they are of another version or no checkpoint.
    pub fn decode(bytes: &[u8]) -> Option<Checkpoint> {
        let (version, _) = postcard::take_from_bytes::<u32>(bytes).ok()?;
        (version == CHECKPOINT_VERSION).then(|| postcard::from_bytes(bytes).ok())?
    }
}

/// State that depends on the order of the journal.
#[derive(Debug)]
pub struct Ordered {
    /// Who sends.
    pub senders: Senders,
    /// The open window.
    pub aggregator: Aggregator,
    /// What it was made with.
    pub context: Context,
}

/// Buffers for decoding, used again and again.
#[derive(Debug, Default)]
pub struct Decoding {
    /// Rows that were made.
    pub rows: Rows,
    /// What was counted since it was last taken.
    pub totals: Totals,
    decoder: Decoder,
    verdicts: Vec<Verdict>,
    statistics: Vec<Statistic>,
}

#[derive(Debug)]
struct Statistic {
    kind: statsd::Kind,
    name: String,
    value: f64,
    rate: f64,
}

impl Decoding {
    /// First part, in the order of the journal: all of a statsd record, the headers of a Metlog one.
    pub fn enter(&mut self, record: &Record<'_>, ordered: &mut Ordered) {
        match record.kind {
            Kind::Statsd => {
                for datagram in record.datagrams() {
                    self.totals.datagrams += 1;
                    self.statsd(datagram, &mut ordered.aggregator, record.received_at);
                }
            }
            Kind::Metlog => {
                self.verdicts.clear();
                for datagram in record.datagrams() {
                    let verdict = match Datagram::decode(datagram) {
                        Ok(datagram) => {
                            ordered.senders.enter(&datagram.header, record.received_at, ordered.context.replay_window)
                        }
                        Err(_) => Verdict::New,
                    };
                    self.verdicts.push(verdict);
                }
            }
            Kind::Checkpoint | Kind::Tally => (),
        }
    }

    /// Second part, in any order: the messages of a Metlog record. True where [`Decoding::settle`] is owed.
    pub fn decode(&mut self, record: &Record<'_>) -> bool {
        match record.kind {
            Kind::Metlog => {
                for (at, datagram) in record.datagrams().enumerate() {
                    self.totals.datagrams += 1;
                    let verdict = self.verdicts.get(at).copied().unwrap_or(Verdict::New);
                    self.metlog(datagram, verdict, record.received_at);
                }
            }
            Kind::Tally => {
                if let Ok(tally) = postcard::from_bytes(record.payload) {
                    self.totals.add(&tally);
                }
            }
            Kind::Statsd | Kind::Checkpoint => (),
        }
        !self.statistics.is_empty()
    }

    /// Third part: counters and timers that came as Metlog JSON go into the open window.
    pub fn settle(&mut self, ordered: &mut Ordered) {
        for statistic in self.statistics.drain(..) {
            let Statistic { kind, name, value, rate } = &statistic;
            let (name, value, tags) = (name.as_bytes(), Value::Number(*value), &[][..]);
            let added = ordered.aggregator.add(&Sample { name, tags, kind: *kind, value, rate: *rate });
            count(added, &mut self.totals, &mut ordered.aggregator);
        }
    }

    fn metlog(&mut self, datagram: &[u8], verdict: Verdict, received_at: i64) {
        match datagram.first() {
            Some(0xF5) => self.wire(datagram, verdict, received_at),
            _ if metlog_json::is_json(datagram) => {
                for object in metlog_json::objects(datagram) {
                    self.json(object, received_at);
                }
            }
            Some(_) => self.totals.reject("not_metlog", 1),
            None => self.totals.reject("empty", 1),
        }
    }

    fn wire(&mut self, bytes: &[u8], verdict: Verdict, received_at: i64) {
        let datagram = match Datagram::decode(bytes) {
            Ok(datagram) => datagram,
            Err(refusal) => return self.totals.reject(refusal.reason(), 1),
        };
        let refused = match verdict {
            Verdict::New | Verdict::Late => None,
            Verdict::Duplicate => Some("duplicate"),
            Verdict::Stale => Some("replayed"),
        };
        if let Some(reason) = refused {
            return self.totals.reject(reason, datagram.messages().count() as u64);
        }
        for message in datagram.messages() {
            match message {
                Ok(message) if in_range(message.timestamp) => {
                    self.rows.push_view(&message, received_at);
                    self.totals.received += 1;
                    self.totals.messages += 1;
                }
                Ok(_) => self.totals.reject("timestamp_out_of_range", 1),
                Err(refusal) => self.totals.reject(refusal.reason(), 1),
            }
        }
    }

    fn json(&mut self, object: &[u8], received_at: i64) {
        let row = match self.decoder.decode(object, &mut self.rows) {
            Ok(row) => row,
            Err(refusal) => return self.totals.reject(refusal.reason(), 1),
        };
        match metlog_json::statistic(&row) {
            None => {
                row.commit(received_at);
                self.totals.received += 1;
                self.totals.messages += 1;
            }
            Some(Err(refusal)) => self.totals.reject(refusal.reason(), 1),
            Some(Ok(found)) => {
                let metlog_json::Statistic { kind, name, value, rate } = found;
                let name = name.to_string();
                self.statistics.push(Statistic { kind, name, value, rate });
            }
        }
    }

    fn statsd(&mut self, datagram: &[u8], aggregator: &mut Aggregator, received_at: i64) {
        let mut lines = StatsdLines { decoding: self, aggregator, received_at };
        let count = statsd::parse(datagram, &mut lines);
        aggregator.packet(count);
        if count == 0 {
            self.totals.reject("empty", 1);
        }
    }
}

/// True for a time that a partition can have.
fn in_range(timestamp: i64) -> bool {
    (metlog_schemas::time::TIMESTAMP_MIN..metlog_schemas::time::TIMESTAMP_END).contains(&timestamp)
}

fn count(added: Result<(), Refused>, totals: &mut Totals, aggregator: &mut Aggregator) {
    match added {
        Ok(()) => {
            totals.received += 1;
            totals.values += 1;
        }
        Err(refused) => {
            totals.reject(refused.reason(), 1);
            aggregator.bad_line();
        }
    }
}

struct StatsdLines<'a> {
    decoding: &'a mut Decoding,
    aggregator: &'a mut Aggregator,
    received_at: i64,
}

impl Lines for StatsdLines<'_> {
    #[inline]
    fn sample(&mut self, sample: Sample<'_>) {
        let added = self.aggregator.add(&sample);
        count(added, &mut self.decoding.totals, self.aggregator);
    }

    fn message(&mut self, annotation: &Annotation<'_>) {
        let mut row = self.decoding.rows.begin();
        annotation.write(&mut row);
        if row.timestamp.is_none_or(in_range) {
            row.commit(self.received_at);
            self.decoding.totals.received += 1;
            self.decoding.totals.messages += 1;
        } else {
            self.decoding.totals.reject("timestamp_out_of_range", 1);
        }
    }

    fn bad(&mut self, _: &[u8], reason: Reason) {
        self.decoding.totals.reject(reason.reason(), 1);
        self.aggregator.bad_line();
    }
}
