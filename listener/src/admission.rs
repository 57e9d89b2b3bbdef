//! Admission: what may be journaled at all. Signatures are checked and privacy rules applied here, before
//! the first byte reaches a disk. Where neither is configured, datagrams pass as they are.
use crate::config::Config;
use crate::journal::record::{Builder, Kind, Record};
use crate::ledger::Totals;
use crate::privacy::{Kept, Rules};
use metlog_schemas::metlog_json;
use metlog_schemas::statsd::{self, Annotation, Lines, Reason, Sample};
use metlog_schemas::wire::v1::{Datagram, SigningKey};

/// The checks that are configured.
#[derive(Debug)]
pub struct Admission {
    keys: Vec<SigningKey>,
    rules: Rules,
}

impl Admission {
    /// As configured.
    pub fn new(config: &Config) -> Admission {
        Admission { keys: config.keys.clone(), rules: Rules::new(config.privacy.clone()) }
    }

    /// Puts a datagram into the record, as it is or rewritten. Messages that must be journaled as Metlog JSON
    /// though they came as statsd lines go into `moved`; what is refused is counted.
    pub fn admit(
        &self,
        kind: Kind,
        datagram: &[u8],
        record: &mut Builder,
        moved: &mut Vec<Vec<u8>>,
        refused: &mut Totals,
    ) {
        if kind == Kind::Metlog
            && !self.keys.is_empty()
            && let Err(reason) = self.verify(datagram)
        {
            return refused.reject(reason, count(kind, datagram));
        }
        if self.rules.is_empty() {
            return record.datagram(datagram);
        }
        let Kept { datagram, messages, rejected } = self.rules.apply(kind, datagram);
        if let Some(datagram) = datagram {
            record.datagram(&datagram);
        }
        moved.extend(messages);
        for (reason, messages) in rejected {
            refused.reject(reason, messages);
        }
    }

    fn verify(&self, bytes: &[u8]) -> Result<(), &'static str> {
        if metlog_json::is_json(bytes) {
            return Err("unsigned");
        }
        let datagram = Datagram::decode(bytes).map_err(|refusal| refusal.reason())?;
        let id = datagram.header.key_id.ok_or("unsigned")?;
        let key = self.keys.iter().find(|key| key.id == id).ok_or("unknown_key")?;
        datagram.verify(&key.secret).map_err(|refusal| refusal.reason())
    }

    /// Messages in a record that could not be appended.
    pub fn count(&self, builder: &Builder) -> u64 {
        builder.record().map_or(0, |record: Record<'_>| record.datagrams().map(|d| count(record.kind, d)).sum())
    }
}

/// Messages in a datagram; what holds none that can be counted is one.
pub fn count(kind: Kind, datagram: &[u8]) -> u64 {
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
    let messages = match (kind, Datagram::decode(datagram)) {
        (Kind::Statsd, _) => {
            let mut lines = Count(0);
            statsd::parse(datagram, &mut lines);
            lines.0
        }
        (_, Ok(datagram)) => datagram.messages().count() as u64,
        (_, Err(_)) => metlog_json::objects(datagram).count() as u64,
    };
    messages.max(1)
}
