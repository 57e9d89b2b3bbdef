//! Checks a store with an object of its own, which is written, listed, read and deleted.
//!
//! The object is in a folder beside the tables, where no reader looks: the readers of this project list only the folders
//! of tables, and Hive and Spark skip names that begin with `_`.
use super::put::Putter;
use crate::SinkError;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

/// The folder of the objects that stores are checked with.
const FOLDER: &str = "_probe";
/// The content of such an object, for anyone who finds one.
const CONTENT: &[u8] = b"Written by metlog to try this store. It can be deleted.\n";

impl Putter {
    /// Puts an object, lists and reads it, and deletes it.
    ///
    /// # Errors
    /// The operation that failed, with the store's message.
    pub async fn probe(&self) -> Result<(), SinkError> {
        // Several listeners may check the same store at the same time.
        let name = format!("{:016x}", rand::random::<u64>());
        let key = format!("{FOLDER}/{name}");
        self.put(&key, Bytes::from_static(CONTENT)).await.map_err(|error| refused("written", error.message))?;
        let store = self.store();
        let folder = Path::from_iter(store.prefix.parts().chain([FOLDER.into()]));
        let path = Path::from_iter(folder.parts().chain([name.into()]));
        let found = find(&*store.objects, &folder, &path).await;
        // Delete it even if it could not be read, so that nothing is left behind.
        let deleted = store.objects.delete(&path).await.map_err(|error| refused("deleted", error));
        if let Some(warehouse) = &store.folder {
            let folder = warehouse.join(FOLDER);
            // It stays if another listener has an object in it.
            let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir(folder)).await;
        }
        found.and(deleted)
    }
}

async fn find(objects: &dyn ObjectStore, folder: &Path, path: &Path) -> Result<(), SinkError> {
    let mut listing = objects.list(Some(folder));
    let mut is_listed = false;
    while let Some(object) = listing.try_next().await.map_err(|error| refused("listed", error))? {
        is_listed |= object.location == *path;
    }
    if !is_listed {
        return Err(refused("listed", "the object just written is not in the listing"));
    }
    let object = objects.get(path).await.map_err(|error| refused("read", error))?;
    let content = object.bytes().await.map_err(|error| refused("read", error))?;
    if content == CONTENT { Ok(()) } else { Err(refused("read", "the content differs from what was written")) }
}

/// An error that names the missing permission.
fn refused(done: &str, why: impl std::fmt::Display) -> SinkError {
    SinkError::retry(format!("objects cannot be {done}: {why}"))
}
