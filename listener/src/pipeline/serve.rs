//! What the pipeline gives to the sinks: whole sealed segments, windows as they close; and what becomes of a segment
//! that they have.
use super::Pipeline;
use crate::ledger::Receipts;
use crate::recover;
use crate::replay::{self, Kept, Sealed};
use crate::segment::Content;
use arrow::array::RecordBatch;
use metlog_schemas::table::TableMap;
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

/// What sinks are given.
pub fn batch_of(
    listener: Arc<str>,
    segment: u64,
    rows: TableMap<Vec<RecordBatch>>,
    windows: Vec<Arc<Window>>,
) -> Batch {
    Batch { listener, segment, rows, windows }
}

impl Pipeline {
    /// The next sealed segment for a sink that takes whole segments.
    pub fn next_segment(&self, sink: &str) -> Option<u64> {
        let segments = self.segments.lock();
        let first = segments.first_without(sink);
        let next = segments.list.iter().find(|segment| segment.number >= first)?;
        next.is_whole().then_some(next.number)
    }

    /// The next windows for a sink that takes windows as they close; `cursor` is the segment and how many of
    /// its windows were taken.
    ///
    /// # Errors
    /// If a segment must be read back and cannot be: `cursor` says which.
    pub fn next_windows(&self, sink: &str, cursor: &mut (u64, usize)) -> io::Result<Option<ClosedWindows>> {
        let (number, is_whole, windows) = {
            let segments = self.segments.lock();
            let first = segments.first_without(sink);
            let Some(segment) = segments.list.iter().find(|segment| segment.number >= first) else {
                return Ok(None);
            };
            (segment.number, segment.is_whole(), segment.content.windows.clone())
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
        let closed = ClosedWindows { segment: number, windows: fresh, last: is_whole };
        Ok((!closed.windows.is_empty() || closed.last).then_some(closed))
    }

    /// The content of a sealed segment, from memory or read back from the journal. `in_order`: always read back,
    /// so that the rows are in the order of the journal, each time the same. In memory they are in that of the workers.
    ///
    /// # Errors
    /// If it must be read back and cannot be.
    pub fn batch(&self, number: u64, in_order: bool) -> io::Result<Batch> {
        let Kept { rows, windows } = self.content_of(number, in_order)?;
        Ok(batch_of(self.config.name.as_str().into(), number, rows, windows))
    }

    /// Rows and windows of a sealed segment, as for [`Pipeline::batch`].
    ///
    /// # Errors
    /// If it must be read back and cannot be.
    pub(super) fn content_of(&self, number: u64, in_order: bool) -> io::Result<Kept> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("segment {number} no longer exists"));
        let (sealed, content) = {
            let mut segments = self.segments.lock();
            let segment = segments.get(number).ok_or_else(missing)?;
            (segment.sealed, segment.content.clone())
        };
        match content {
            Content { rows: Some(rows), windows: Some(windows), .. } if !in_order => Ok(Kept { rows, windows }),
            _ => {
                let mut kept = Kept::default();
                replay::segment(&self.journal_folder(), number, sealed, &mut kept)?;
                Ok(kept)
            }
        }
    }

    /// A sink has a segment, or it was `set_aside`; `unreadable` messages of it could not be read back.
    ///
    /// # Errors
    /// If the receipt cannot be written: then the sink will be given the segment again.
    pub fn acknowledge(&self, sink: &str, number: u64, set_aside: bool, unreadable: u64) -> io::Result<()> {
        // Two sinks acknowledged at the same time must not overwrite each other's receipts.
        let acknowledging = self.acknowledging.lock();
        let mut segments = self.segments.lock();
        let Some(segment) = segments.get(number) else { return Ok(()) };
        let content = segment.content.facts;
        let mut receipts = segments.receipts.clone();
        receipts.sinks.insert(sink.to_owned(), number);
        if sink == segments.store {
            let aside = if set_aside { content } else { unreadable.min(content) };
            receipts.set_aside += aside;
            receipts.stored += content - aside;
        }
        drop(segments);
        self.write_receipts(receipts)?;
        drop(acknowledging);
        self.retire();
        self.reserve.restore();
        self.progress();
        Ok(())
    }

    fn write_receipts(&self, receipts: Receipts) -> io::Result<()> {
        self.reserve.with(|| recover::write_receipts(&self.config.data, &receipts))?;
        self.segments.lock().receipts = receipts;
        Ok(())
    }

    /// Removes the files of segments that nobody needs.
    pub(super) fn retire(&self) {
        let retired = self.segments.lock().take_retired();
        for segment in retired {
            if let Err(error) = recover::remove(&self.journal_folder(), &segment) {
                tracing::warn!("{} cannot be removed: {error}", segment.path.display());
            }
            self.journal.lock().removed(segment.bytes);
        }
    }

    /// Where a sealed segment ends.
    pub fn sealed(&self, number: u64) -> Option<Sealed> {
        self.segments.lock().get(number)?.sealed
    }

    /// Facts that a segment is known to hold.
    pub fn expected(&self, number: u64) -> u64 {
        self.segments.lock().get(number).map_or(0, |segment| segment.content.facts)
    }

    /// The sinks that lack a sealed segment.
    pub fn waiting(&self) -> Vec<String> {
        let segments = self.segments.lock();
        let newest =
            segments.list.iter().filter(|segment| segment.sealed.is_some()).map(|segment| segment.number).max();
        let lacks = |last: u64| newest.is_some_and(|newest| newest > last);
        segments.receipts.sinks.iter().filter(|(_, last)| lacks(**last)).map(|(sink, _)| sink.clone()).collect()
    }

    /// True if every sink has every segment before the one that is written.
    pub fn is_drained(&self) -> bool {
        let segments = self.segments.lock();
        let sealed = segments.list.iter().rev().skip(1).map(|segment| segment.number).next();
        sealed.is_none_or(|newest| segments.receipts.sinks.values().all(|last| *last >= newest))
    }
}
