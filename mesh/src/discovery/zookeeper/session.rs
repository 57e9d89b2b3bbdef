//! One session with ZooKeeper: registers, lists, waits for changes. Ends with the first error.
use super::Config;
use super::record::Record;
use std::time::Duration;
use tokio::time::timeout;
use zookeeper_client::{Acls, Client, CreateMode, Error, OneshotWatcher};

/// Registrations that are read at most: a registry that anybody may write to has a bound.
const CHILDREN_MAX: usize = 50_000;

pub(super) struct Session {
    client: Client,
    folder: String,
    /// The full path of this node's registration.
    registration: String,
    watcher: Option<OneshotWatcher>,
}

impl Session {
    pub(super) async fn open(config: &Config, record: &Record) -> Result<Session, Error> {
        let connector = Client::connector().with_session_timeout(config.session_timeout);
        let connecting = connector.connect(&config.servers);
        let client = timeout(config.connect_timeout, connecting).await.map_err(|_| Error::Timeout)??;
        let folder = format!("/{}/{}", config.root.trim_matches('/'), config.path.trim_matches('/'));
        let data = serde_json::to_vec(record).map_err(|_| Error::BadArguments(&"a record that is no JSON"))?;
        let registering = register(&client, &folder, record, &data);
        let registration = timeout(config.connect_timeout, registering).await.map_err(|_| Error::Timeout)??;
        Ok(Session { client, folder, registration, watcher: None })
    }

    #[cfg(test)]
    pub(super) fn info(&self) -> zookeeper_client::SessionInfo {
        self.client.session().clone()
    }

    /// Waits until a node came or went, or for this long.
    pub(super) async fn changed(&mut self, longest: Duration) -> Result<(), Error> {
        if let Some(watcher) = self.watcher.take() {
            // Dropped while it waits, the watcher is gone: the next look sets a new one.
            _ = timeout(longest, watcher.changed()).await;
        }
        Ok(())
    }

    /// All registrations that can be read. An error where this node's own is not among them: it has to register again.
    pub(super) async fn records(&mut self) -> Result<Vec<(String, Record)>, Error> {
        let (children, _, watcher) = self.client.get_and_watch_children(&self.folder).await?;
        self.watcher = Some(watcher);
        let own = self.registration.rsplit('/').next().unwrap_or_default();
        if !children.iter().any(|child| child == own) {
            return Err(Error::NoNode);
        }
        let mut records = Vec::with_capacity(children.len().min(CHILDREN_MAX));
        for child in children.into_iter().take(CHILDREN_MAX) {
            match self.client.get_data(&format!("{}/{child}", self.folder)).await {
                Ok((data, _)) => match Record::read(&data) {
                    Some(record) => records.push((child, record)),
                    None => tracing::warn!(%child, "a registration whose data is not that of an agent"),
                },
                // It went between the two requests.
                Err(Error::NoNode) => (),
                Err(error) => return Err(error),
            }
        }
        Ok(records)
    }

    /// Takes the registration away, so that others need not wait for the session's end.
    pub(super) async fn close(self) {
        if let Err(error) = self.client.delete(&self.registration, None).await {
            tracing::debug!(%error, "the registration ends with the session");
        }
    }
}

/// As `CreateProtectedEphemeralSequential` of go-zookeeper names a node, so that old agents find the same.
async fn register(client: &Client, folder: &str, record: &Record, data: &[u8]) -> Result<String, Error> {
    let open = Acls::anyone_all();
    client.mkdir(folder, &CreateMode::Persistent.with_acls(open)).await?;
    let prefix = format!("{folder}/_c_{:032x}-{}:{}", rand::random::<u128>(), record.address, record.port);
    let options = CreateMode::EphemeralSequential.with_acls(open);
    let (_, sequence) = client.create(&prefix, data, &options).await?;
    Ok(format!("{prefix}{sequence}"))
}
