//! What the road gives to the sinks: whole sealed segments, windows as they close; and what becomes of a segment
//! that they have.
use super::{Road, lock};
use crate::replay::{self, Replayed};
use crate::segment::Content;
use metlog_schemas::table::{Table, TableMap, metrics_rows};
use metlog_schemas::window::Window;
use metlog_sink::Batch;
use std::io;
use std::sync::Arc;

/// What a sink that takes windows is given next.
#[derive(Debug)]
pub struct ClosedWindows {
    /// The segment that they closed in.
    pub segment: u64,
    /// Those that it has not had.
    pub windows: Vec<Arc<Window>>,
    /// The segment is sealed, and these are its last.
    pub last: bool,
}

impl Road {
    /// The next sealed segment for a sink that takes whole segments.
    pub fn next_segment(&self, sink: &str) -> Option<u64> {
        let segments = lock(&self.segments);
        let first = segments.first_without(sink);
        segments.list.iter().find(|segment| segment.number >= first && segment.sealed.is_some()).map(|s| s.number)
    }

    /// The next windows for a sink that takes windows as they close; `cursor` is the segment and how many of
    /// its windows were taken.
    ///
    /// # Errors
    /// Where a segment must be read back and cannot be: `cursor` says which.
    pub fn next_windows(&self, sink: &str, cursor: &mut (u64, usize)) -> io::Result<Option<ClosedWindows>> {
        let (number, sealed, windows) = {
            let mut segments = lock(&self.segments);
            let first = segments.first_without(sink);
            let Some(segment) = segments.list.iter_mut().find(|segment| segment.number >= first) else {
                return Ok(None);
            };
            (segment.number, segment.sealed, segment.content.windows.clone())
        };
        if cursor.0 != number {
            *cursor = (number, 0);
        }
        let windows = match windows {
            Some(windows) => windows,
            None => self.batch(number, false)?.windows,
        };
        let fresh = windows.get(cursor.1..).unwrap_or_default().to_vec();
        cursor.1 = windows.len();
        let closed = ClosedWindows { segment: number, windows: fresh, last: sealed.is_some() };
        Ok((!closed.windows.is_empty() || closed.last).then_some(closed))
    }

    /// The content of a sealed segment, from memory or read back from the journal. `in_order`: always read back,
    /// so that the rows are in the order of the journal, each time the same. In memory they are in that of the workers.
    ///
    /// # Errors
    /// Where it must be read back and cannot be.
    pub fn batch(&self, number: u64, in_order: bool) -> io::Result<Batch> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("segment {number} is gone"));
        let (path, sealed, content) = {
            let mut segments = lock(&self.segments);
            let segment = segments.get(number).ok_or_else(missing)?;
            (segment.path.clone(), segment.sealed, segment.content.clone())
        };
        let listener = self.config.name.as_str().into();
        let (messages, windows) = match content {
            Content { rows: Some(rows), windows: Some(windows), .. } if !in_order => (rows, windows),
            _ => {
                let Replayed { rows, windows, .. } = replay::replay(&path, &std::fs::read(&path)?, sealed)?;
                (rows, windows)
            }
        };
        let metrics = metrics_rows(windows.iter().map(AsRef::as_ref)).map_err(io::Error::other)?;
        let mut rows = TableMap::default();
        rows[Table::Messages] = messages;
        rows[Table::Metrics] = vec![metrics];
        Ok(Batch { listener, segment: number, rows, windows })
    }

    /// A sink has a segment, or it was `set_aside`; `unreadable` messages of it could not be read back.
    ///
    /// # Errors
    /// Where the receipt cannot be written: then the sink will be given the segment again.
    pub fn acknowledge(&self, sink: &str, number: u64, set_aside: bool, unreadable: u64) -> io::Result<()> {
        // Two sinks that are told at once must not overwrite each other's receipts.
        let _acknowledging = lock(&self.acknowledging);
        let mut segments = lock(&self.segments);
        let Some(segment) = segments.get(number) else { return Ok(()) };
        let content = segment.content.messages + segment.content.values;
        let mut receipts = segments.receipts.clone();
        receipts.sinks.insert(sink.to_owned(), number);
        if sink == segments.store {
            let aside = if set_aside { content } else { unreadable.min(content) };
            receipts.set_aside += aside;
            receipts.stored += content - aside;
        }
        drop(segments);
        self.reserve.with(|| crate::recover::write_receipts(&self.config.data, &receipts))?;
        let mut segments = lock(&self.segments);
        segments.receipts = receipts;
        let retired = segments.take_retired();
        drop(segments);
        for segment in retired {
            if let Err(error) = std::fs::remove_file(&segment.path) {
                tracing::warn!("{} cannot be removed: {error}", segment.path.display());
            }
            lock(&self.journal).removed(segment.bytes);
        }
        self.reserve.restore();
        self.progress();
        Ok(())
    }

    /// Messages and closed values that a segment is known to hold.
    pub fn expected(&self, number: u64) -> u64 {
        lock(&self.segments).get(number).map_or(0, |segment| segment.content.messages + segment.content.values)
    }

    /// The sinks that lack a sealed segment.
    pub fn waiting(&self) -> Vec<String> {
        let segments = lock(&self.segments);
        let newest =
            segments.list.iter().filter(|segment| segment.sealed.is_some()).map(|segment| segment.number).max();
        let lacks = |last: u64| newest.is_some_and(|newest| newest > last);
        segments.receipts.sinks.iter().filter(|(_, last)| lacks(**last)).map(|(sink, _)| sink.clone()).collect()
    }

    /// True where every sink has every segment before the one that is written.
    pub fn is_drained(&self) -> bool {
        lock(&self.segments).list.len() == 1
    }
}
