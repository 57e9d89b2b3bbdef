//! Puts one object where it belongs: whole, or not at all.
//!
//! In a remote store an object appears when its upload is complete. In a folder it is written under a name that
//! no reader looks at, synced, renamed and its folder synced, since the journal forgets what is acknowledged.
use crate::SinkError;
use crate::store::Store;
use bytes::Bytes;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, WriteMultipart};
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

/// Objects above this many bytes go up in parts of this size.
const PART_BYTES: usize = 16 * 1024 * 1024;

/// Puts objects into a store.
#[derive(Debug, Clone)]
pub struct Putter {
    store: Store,
    timeout: Duration,
    /// Held while a file is written: one given up on may still be under way when it is tried again.
    writing: Arc<Mutex<()>>,
}

impl Putter {
    /// `timeout` is the longest that one object may take.
    pub fn new(store: Store, timeout: Duration) -> Putter {
        Putter { store, timeout, writing: Arc::default() }
    }

    /// True if anything is stored in a folder below the warehouse.
    pub async fn has_any(&self, folder: &str) -> Result<bool, SinkError> {
        let path = Path::from_iter(self.store.prefix.parts().chain(Path::from(folder).parts()));
        let mut listed = self.store.objects.list(Some(&path));
        let first = tokio::time::timeout(self.timeout, listed.next());
        match first.await {
            Ok(Some(Err(error))) => Err(sink_error(error)),
            Ok(found) => Ok(found.is_some()),
            Err(_) => Err(SinkError::retry(format!("listing {folder} timed out after {:?}", self.timeout))),
        }
    }

    /// Where it puts them.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Puts `bytes` under `key` below the warehouse. What was there under it is replaced.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<(), SinkError> {
        let put = async {
            match &self.store.folder {
                Some(folder) => self.put_file(folder.join(key), bytes).await,
                None => {
                    let path = Path::from_iter(self.store.prefix.parts().chain(Path::from(key).parts()));
                    put_object(self.store.objects.as_ref(), &path, bytes).await.map_err(sink_error)
                }
            }
        };
        let late = |_| SinkError::retry(format!("not written within {:?}", self.timeout));
        let error = match tokio::time::timeout(self.timeout, put).await.map_err(late) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) | Err(error) => error,
        };
        Err(SinkError { message: format!("{key}: {}", error.message), ..error })
    }

    async fn put_file(&self, path: PathBuf, bytes: Bytes) -> Result<(), SinkError> {
        let writing = self.writing.clone();
        let write = move || {
            let _writing = match writing.try_lock() {
                Ok(writing) => writing,
                Err(TryLockError::Poisoned(writing)) => writing.into_inner(),
                Err(TryLockError::WouldBlock) => return Err(SinkError::retry("the last file is still being written")),
            };
            put_file(&path, &bytes).map_err(SinkError::retry)
        };
        tokio::task::spawn_blocking(write).await.map_err(SinkError::retry)?
    }
}

async fn put_object(store: &dyn ObjectStore, path: &Path, bytes: Bytes) -> Result<(), Error> {
    if bytes.len() <= PART_BYTES {
        return store.put(path, bytes.into()).await.map(|_| ());
    }
    let mut write = WriteMultipart::new_with_chunk_size(store.put_multipart(path).await?, PART_BYTES);
    write.put(bytes);
    write.finish().await.map(|_| ())
}

/// What can pass is the rule: a store that is down, misconfigured or full comes back when a human has seen to
/// it, and the batch is still there.
fn sink_error(error: Error) -> SinkError {
    match error {
        Error::InvalidPath { .. } | Error::NotSupported { .. } | Error::NotImplemented { .. } => {
            SinkError::set_aside(error)
        }
        _ => SinkError::retry(error),
    }
}

/// The name begins with a dot, which Spark and Hive pass over, does not end as readers ask for, and
/// `object_store` lists nothing that ends in `#` and a number. It is the same at each attempt, so what a
/// killed process leaves behind is used up by the next one.
fn put_file(path: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    make_folder(folder)?;
    let unfinished = folder.join(format!(".{}#1", name.to_string_lossy()));
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}

/// Makes a folder and those above it, and syncs each that got a new entry.
fn make_folder(folder: &std::path::Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let Some(above) = folder.parent() else { return Ok(()) };
    make_folder(above)?;
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(above)?.sync_all(),
    }
}
