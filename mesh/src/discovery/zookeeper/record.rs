//! What a node writes into its registration: both directions.
use super::Config;
use crate::discovery::{Identity, Sighting};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The label that says what a node speaks, where that is not all that agents of metlog do.
pub const PROTOCOL_LABEL: &str = "protocol";
/// It answers `WorkerService.PingNode`, and nothing else.
pub const PROTOCOL_GRPC: &str = "grpc";

/// What the older system waits for an answer, in milliseconds.
const POLL_TIMEOUT_MS: i32 = 5_000;

/// The JSON of a registration. Old agents stop at data that they cannot read: these types are theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(rename = "My_address")]
    pub(super) address: String,
    #[serde(rename = "My_port")]
    pub(super) port: u16,
    #[serde(rename = "Poll_timeout", default)]
    poll_timeout: i32,
    #[serde(rename = "Poll_interval", default)]
    poll_interval: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    zone: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    rack: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

impl Record {
    pub(super) fn of(own: &Identity, config: &Config) -> Record {
        Record {
            address: config.host.clone().unwrap_or_else(|| own.address.ip().to_string()),
            port: own.address.port(),
            poll_timeout: POLL_TIMEOUT_MS,
            poll_interval: i32::try_from(config.interval.as_millis()).unwrap_or(i32::MAX),
            name: Some(own.name.clone()),
            zone: own.zone.clone(),
            rack: own.rack.clone(),
            labels: own.labels.clone(),
        }
    }

    /// Nothing where it is none.
    pub(super) fn read(data: &[u8]) -> Option<Record> {
        serde_json::from_slice(data).ok().filter(|record: &Record| !record.address.is_empty() && record.port != 0)
    }

    /// Nothing where its host has no address now.
    pub(super) async fn sighting(self) -> Option<Sighting> {
        let address = tokio::net::lookup_host((self.address.as_str(), self.port)).await.ok()?.next()?;
        let mut labels = self.labels;
        if self.name.is_none() {
            labels.insert(PROTOCOL_LABEL.to_owned(), PROTOCOL_GRPC.to_owned());
        }
        let name = self.name.unwrap_or_else(|| format!("{}:{}", self.address, self.port));
        Some(Sighting { name, address, zone: self.zone, rack: self.rack, labels, is_leaving: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn records_of_old_agents_are_read_and_ours_have_their_keys() {
        let old = br#"{"My_address":"127.0.0.1","My_port":4000,"Poll_timeout":5000,"Poll_interval":10000}"#;
        let sighting = Record::read(old).unwrap().sighting().await.unwrap();
        assert_eq!((sighting.name.as_str(), sighting.address), ("127.0.0.1:4000", ([127, 0, 0, 1], 4000).into()));
        assert_eq!(sighting.labels[PROTOCOL_LABEL], PROTOCOL_GRPC);
        let own = Identity {
            name: "a".into(),
            address: ([127, 0, 0, 1], 7).into(),
            zone: "z".into(),
            rack: String::new(),
            labels: BTreeMap::new(),
        };
        let record = Record::of(&own, &Config { host: Some("localhost".into()), ..Config::default() });
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(
            text,
            r#"{"My_address":"localhost","My_port":7,"Poll_timeout":5000,"Poll_interval":10000,"name":"a","zone":"z"}"#
        );
        assert_eq!(Record::read(text.as_bytes()), Some(record));
        for bad in ["", "null", "{}", "[]", r#"{"My_address":"","My_port":1}"#, r#"{"My_address":"a","My_port":70000}"#]
        {
            assert_eq!(Record::read(bad.as_bytes()), None, "{bad}");
        }
    }
}
