//! The folder of documents that a server refused for good: `<uuid>.json` and, beside it, `<uuid>.reason.txt`.
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use uuid::Uuid;

/// Lays a document down, synced to the disk, since the journal forgets it afterwards. The same document again
/// replaces itself.
pub fn set_aside(folder: &Path, uuid: Uuid, body: &[u8], reason: &str) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, bytes) in [(format!("{uuid}.reason.txt"), reason.as_bytes()), (format!("{uuid}.json"), body)] {
        let unfinished = folder.join(format!(".{name}.part"));
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(unfinished, folder.join(name))?;
    }
    File::open(folder)?.sync_all()
}
