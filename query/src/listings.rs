//! Listings of the store, kept for a while.
//!
//! When may one be used again? The rows that a query takes of the listener begin at some segment; all earlier segments
//! of this listener are in the store. A listing that was made after those rows were taken has the objects of all
//! earlier segments; so it is complete for every query whose hot rows begin at that same segment. When the listener
//! stores one more, the listing is made anew. Objects of other listeners may come at any time: they are seen at most
//! [`FRESH_TIME`] later. Without a listener nothing is used again, unless the store fails: then what was last seen is
//! better than nothing, and the result says so.
use object_store::ObjectMeta;
use object_store::path::Path;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a listing is used again.
const FRESH_TIME: Duration = Duration::from_secs(5);

/// Objects and folders that are kept, in all listings.
const ENTRIES_MAX: usize = 200_000;

/// What a listing is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Of {
    /// The folders in a folder.
    Folders(Path),
    /// All objects below a folder.
    Objects(Path),
}

/// What was found there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    pub(crate) folders: Vec<Path>,
    pub(crate) objects: Vec<ObjectMeta>,
}

impl Listing {
    fn entries(&self) -> usize {
        self.folders.len() + self.objects.len()
    }
}

#[derive(Debug)]
struct Kept {
    made: Instant,
    /// Where the hot rows began when it was made.
    first_segment: Option<u64>,
    listing: Arc<Listing>,
}

/// All that are kept.
#[derive(Debug, Default)]
pub(crate) struct Listings(Mutex<HashMap<Of, Kept>>);

impl Listings {
    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<Of, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that is as good as a new one for a query whose hot rows begin at this segment.
    pub(crate) fn fresh(&self, of: &Of, first_segment: Option<u64>, now: Instant) -> Option<Arc<Listing>> {
        let kept = self.kept();
        let found = kept.get(of)?;
        let is_fresh = first_segment.is_some() && found.first_segment == first_segment;
        (is_fresh && now.duration_since(found.made) < FRESH_TIME).then(|| Arc::clone(&found.listing))
    }

    /// The last one, however old.
    pub(crate) fn last(&self, of: &Of) -> Option<Arc<Listing>> {
        self.kept().get(of).map(|found| Arc::clone(&found.listing))
    }

    /// Keeps one that was begun at `made`, after the hot rows were taken.
    pub(crate) fn keep(&self, of: Of, made: Instant, first_segment: Option<u64>, listing: Listing) -> Arc<Listing> {
        let listing = Arc::new(listing);
        let mut kept = self.kept();
        let entries: usize = kept.values().map(|kept| kept.listing.entries()).sum();
        if entries + listing.entries() > ENTRIES_MAX {
            kept.clear();
        }
        if listing.entries() <= ENTRIES_MAX {
            kept.insert(of, Kept { made, first_segment, listing: Arc::clone(&listing) });
        }
        listing
    }

    /// Forgets all: something that was listed is not there any more.
    pub(crate) fn clear(&self) {
        self.kept().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_used_again_while_it_is_complete() {
        let (listings, of, made) = (Listings::default(), Of::Folders(Path::from("messages")), Instant::now());
        let kept = |first_segment, now| listings.fresh(&of, first_segment, now).is_some();
        listings.keep(of.clone(), made, Some(7), Listing::default());
        assert!(kept(Some(7), made));
        assert!(!kept(Some(8), made), "one more is stored");
        assert!(!kept(None, made), "nobody knows what is stored");
        assert!(!kept(Some(7), made + FRESH_TIME), "others may have stored something");
        assert!(listings.last(&of).is_some());
        listings.clear();
        assert!(listings.last(&of).is_none());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let listings = Listings::default();
        let many = |n| Listing { folders: vec![Path::default(); n], objects: Vec::new() };
        for (name, entries) in [("a", ENTRIES_MAX / 2), ("b", ENTRIES_MAX / 2), ("c", 1), ("d", ENTRIES_MAX + 1)] {
            listings.keep(Of::Folders(Path::from(name)), Instant::now(), None, many(entries));
            let kept: usize = listings.kept().values().map(|kept| kept.listing.entries()).sum();
            assert!(kept <= ENTRIES_MAX, "{name}: {kept}");
        }
    }
}
