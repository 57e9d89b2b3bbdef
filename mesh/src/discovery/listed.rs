//! A static list: whoever is in it is there.
use super::{Discovery, DiscoveryError, Identity, Roster, Sighting, host_and_port};
use crate::node::View;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// How often names in the list are resolved again, and the view is confirmed.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// One entry of the list: `host:port`, or `name=host:port`, or `name@zone/rack=host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    zone: String,
    rack: String,
    host: String,
    port: u16,
}

impl Entry {
    fn read(text: &str) -> Result<Entry, DiscoveryError> {
        let (who, address) = text.split_once('=').map_or((None, text), |(who, address)| (Some(who.trim()), address));
        let (host, port) = host_and_port(address)?;
        let name = address.trim().to_owned();
        let (name, place) = who.map_or((name.as_str(), ""), |who| who.split_once('@').unwrap_or((who, "")));
        let (zone, rack) = place.split_once('/').unwrap_or((place, ""));
        Ok(Entry { name: name.to_owned(), zone: zone.to_owned(), rack: rack.to_owned(), host, port })
    }
}

/// Views of a list that does not change; the addresses of names in it may.
pub struct Listed {
    own: Sighting,
    entries: Vec<Entry>,
    /// The last good ones.
    known: BTreeMap<String, Sighting>,
    roster: Roster,
    is_begun: bool,
}

impl Listed {
    /// Peers as `host:port`, `name=host:port` or `name@zone/rack=host:port`; this node may be among them.
    ///
    /// # Errors
    /// Where one of them is none of these.
    pub fn new(own: &Identity, peers: &[String]) -> Result<Listed, DiscoveryError> {
        let entries: Vec<Entry> = peers.iter().map(|peer| Entry::read(peer)).collect::<Result<_, _>>()?;
        let own = Sighting::from(own);
        Ok(Listed { own, entries, known: BTreeMap::new(), roster: Roster::default(), is_begun: false })
    }

    async fn look(&mut self) -> View {
        for entry in &self.entries {
            let found = tokio::net::lookup_host((entry.host.as_str(), entry.port)).await;
            let Some(address) = found.ok().and_then(|mut found| found.next()) else {
                tracing::warn!(peer = %entry.name, host = %entry.host, "the name of a peer has no address now");
                continue;
            };
            let sighting = Sighting {
                name: entry.name.clone(),
                address,
                zone: entry.zone.clone(),
                rack: entry.rack.clone(),
                labels: BTreeMap::new(),
                is_leaving: false,
            };
            self.known.insert(entry.name.clone(), sighting);
        }
        let others = self.known.values().filter(|peer| peer.address != self.own.address && peer.name != self.own.name);
        let seen: Vec<Sighting> = others.cloned().chain([self.own.clone()]).collect();
        self.roster.look(seen, SystemTime::now())
    }
}

#[async_trait::async_trait]
impl Discovery for Listed {
    async fn next(&mut self) -> View {
        if self.is_begun {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        let view = self.look().await;
        self.is_begun = true;
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_names_and_places_if_somebody_says_them() {
        let read =
            |text: &str| Entry::read(text).map(|entry| (entry.name, entry.zone, entry.rack, entry.host, entry.port));
        let text = |text: &str| text.to_owned();
        assert_eq!(read("10.0.0.1:5585").unwrap(), (text("10.0.0.1:5585"), text(""), text(""), text("10.0.0.1"), 5585));
        assert_eq!(read("a@eu/r1=[::1]:7").unwrap(), (text("a"), text("eu"), text("r1"), text("::1"), 7));
        assert_eq!(read("a@eu=h:7").unwrap(), (text("a"), text("eu"), text(""), text("h"), 7));
        for wrong in ["", "host", "host:", ":7", "host:99999", "a=b", "::1:x", "1:2:3"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
