//! DNS: each address of a name is a node, as a headless service of Kubernetes lists its pods.
use super::{Discovery, DiscoveryError, Identity, Roster, Sighting, host_and_port};
use crate::node::View;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// How often the name is resolved.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// A way to resolve a name: the system's, or one that a test makes up.
#[async_trait::async_trait]
pub trait Resolve: Send {
    /// All addresses of a name now.
    async fn resolve(&mut self, host: &str, port: u16) -> std::io::Result<BTreeSet<SocketAddr>>;
}

/// The resolver of the system.
pub struct SystemResolver;

#[async_trait::async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&mut self, host: &str, port: u16) -> std::io::Result<BTreeSet<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// Views of the addresses of one or more names. A node's name is its address, as DNS knows no other; this node's own is what
/// it is called.
pub struct Dns<R> {
    own: Sighting,
    names: Vec<(String, u16)>,
    resolver: R,
    interval: Duration,
    roster: Roster,
    is_begun: bool,
}

impl Dns<SystemResolver> {
    /// Names as `host:port`.
    ///
    /// # Errors
    /// Where one is none.
    pub fn new(own: &Identity, names: &[String]) -> Result<Dns<SystemResolver>, DiscoveryError> {
        Dns::with_resolver(own, names, SystemResolver, LOOK_INTERVAL)
    }
}

impl<R: Resolve> Dns<R> {
    /// Likewise with a resolver that the caller brings.
    ///
    /// # Errors
    /// As [`Dns::new`].
    pub fn with_resolver(
        own: &Identity,
        names: &[String],
        resolver: R,
        interval: Duration,
    ) -> Result<Dns<R>, DiscoveryError> {
        let names = names.iter().map(|name| host_and_port(name)).collect::<Result<_, _>>()?;
        Ok(Dns { own: Sighting::from(own), names, resolver, interval, roster: Roster::default(), is_begun: false })
    }

    /// What is seen now; nothing where a name could not be resolved or has no address, since that is more often a failure of
    /// DNS than a mesh that is gone.
    async fn look(&mut self) -> Option<View> {
        let mut addresses = BTreeSet::new();
        for (host, port) in &self.names {
            match self.resolver.resolve(host, *port).await {
                Ok(found) if !found.is_empty() => addresses.extend(found),
                Ok(_) => {
                    tracing::warn!(%host, "the name has no address: the last view stays");
                    return None;
                }
                Err(error) => {
                    tracing::warn!(%host, %error, "the name cannot be resolved: the last view stays");
                    return None;
                }
            }
        }
        let own = self.own.address;
        let others = addresses.into_iter().filter(|address| *address != own).map(|address| Sighting {
            name: address.to_string(),
            address,
            zone: String::new(),
            rack: String::new(),
            labels: BTreeMap::new(),
            is_leaving: false,
        });
        let seen: Vec<Sighting> = others.chain([self.own.clone()]).collect();
        Some(self.roster.look(seen, SystemTime::now()))
    }
}

#[async_trait::async_trait]
impl<R: Resolve> Discovery for Dns<R> {
    async fn next(&mut self) -> View {
        loop {
            if self.is_begun {
                tokio::time::sleep(self.interval).await;
            }
            let found = self.look().await;
            self.is_begun = true;
            if let Some(view) = found {
                return view;
            }
        }
    }
}
