//! The index of traces: which objects of `spans` hold spans of a trace, without a time.
//!
//! It is Parquet beside the tables: `trace_index/<listener>-<level>-<first>-<last>.parquet`, with a row for each trace and
//! object, sorted by trace. A segment's spans come to one object of level 0, made from its rows alone under a name derived
//! from its number. A listener merges [`MERGED_AT_ONCE`] objects of a level into one of the next, which covers the same
//! segments, and only then deletes them: so there are few objects, whatever the number of segments, and no moment at
//! which a trace is not found. Who finds both goes by [`current`].
use crate::object_path::is_listener_name;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::{Arc, LazyLock};

/// Its folder below the warehouse.
pub const FOLDER: &str = "trace_index";
/// So many objects of a level become one of the next.
pub const MERGED_AT_ONCE: usize = 16;
/// Objects of more bytes in all are not merged: few are as good as one then.
pub const MERGED_BYTES_MAX: u64 = 64 << 20;
/// Stands for an hour where the spans are in the unknown partition.
pub const UNKNOWN_HOUR: i64 = -1;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        // As in `spans`.
        Field::new("trace_id", DataType::Utf8, false),
        // The segment of the object.
        Field::new("segment", DataType::Int64, false),
        // Hours since 1970 UTC of the object's partition.
        Field::new("hour", DataType::Int64, false),
    ]))
});

/// Its columns: the trace, and the segment and hour of the object.
pub fn schema() -> &'static SchemaRef {
    &SCHEMA
}

/// One object of the index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexPath {
    /// The listener that wrote it and its segments.
    pub listener: String,
    /// 0 for the spans of one segment.
    pub level: u32,
    /// The first segment that it covers.
    pub first: u64,
    /// The last segment that it covers.
    pub last: u64,
}

impl IndexPath {
    /// The key below the warehouse.
    pub fn key(&self) -> String {
        let IndexPath { listener, level, first, last } = self;
        format!("{FOLDER}/{listener}-{level}-{first:012}-{last:012}.parquet")
    }

    /// Parses a key; accepts only the form that [`IndexPath::key`] writes.
    pub fn parse(key: &str) -> Option<IndexPath> {
        let name = key.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(".parquet")?;
        let mut parts = name.split('-');
        let listener = parts.next()?.to_owned();
        let (level, first, last) =
            (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let path = IndexPath { listener, level, first, last };
        (is_listener_name(&path.listener) && first <= last && path.key() == key).then_some(path)
    }

    fn covers(&self, other: &IndexPath) -> bool {
        self.listener == other.listener
            && self.level > other.level
            && self.first <= other.first
            && other.last <= self.last
    }
}

/// Those that are not covered by one of a higher level: all others were merged into that.
pub fn current<T>(objects: Vec<T>, path: impl Fn(&T) -> &IndexPath) -> (Vec<T>, Vec<T>) {
    let merged: Vec<IndexPath> =
        objects.iter().map(|object| path(object).clone()).filter(|path| path.level > 0).collect();
    objects.into_iter().partition(|object| !merged.iter().any(|merged| merged.covers(path(object))))
}

/// The oldest objects of a listener that should be merged next, by their sizes in bytes, and what they become; `None`: there
/// are few enough. `objects` are its current ones.
pub fn to_merge(objects: &[(IndexPath, u64)]) -> Option<(Vec<IndexPath>, IndexPath)> {
    let highest = objects.iter().map(|(path, _)| path.level).max()?;
    for level in 0..=highest {
        let mut of_level: Vec<&(IndexPath, u64)> = objects.iter().filter(|(path, _)| path.level == level).collect();
        of_level.sort_by_key(|(path, _)| path.first);
        for group in of_level.windows(MERGED_AT_ONCE) {
            let bytes: u64 = group.iter().map(|(_, bytes)| bytes).sum();
            let inputs: Vec<IndexPath> = group.iter().map(|(path, _)| path.clone()).collect();
            let (Some(first), Some(last)) = (inputs.first(), inputs.last()) else { continue };
            let merged = IndexPath { level: level + 1, last: last.last, ..first.clone() };
            // One of a higher level in between would seem to be covered, and be passed over.
            let between =
                |path: &IndexPath| path.level > level && merged.first <= path.last && path.first <= merged.last;
            if bytes <= MERGED_BYTES_MAX && !objects.iter().any(|(path, _)| between(path)) {
                return Some((inputs, merged));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(level: u32, first: u64, last: u64) -> IndexPath {
        IndexPath { listener: "web_1".to_owned(), level, first, last }
    }

    #[test]
    fn only_one_spelling_is_read() {
        let key = path(1, 7, 12).key();
        assert_eq!(key, "trace_index/web_1-1-000000000007-000000000012.parquet");
        assert_eq!(IndexPath::parse(&key), Some(path(1, 7, 12)));
        for other in
            ["trace_index/web_1-1-7-12.parquet", "trace_index/a-0-000000000002-000000000001.parquet", "spans/x", ""]
        {
            assert_eq!(IndexPath::parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_was_merged_is_passed_over() {
        let other = IndexPath { listener: "b".to_owned(), ..path(0, 2, 2) };
        let all = vec![path(0, 1, 1), path(0, 2, 2), other.clone(), path(1, 1, 2), path(0, 3, 3)];
        let (current, covered) = current(all, |path| path);
        assert_eq!(current, [other, path(1, 1, 2), path(0, 3, 3)]);
        assert_eq!(covered, [path(0, 1, 1), path(0, 2, 2)]);
    }

    /// Guarantees: however many segments there are, merging leaves few objects, each of them found, and it ends.
    #[test]
    fn ten_thousand_segments_come_to_few_objects() {
        let mut objects: Vec<(IndexPath, u64)> = Vec::new();
        let mut most = 0;
        for segment in 0..10_000 {
            objects.push((path(0, segment, segment), 40_000));
            while let Some((inputs, merged)) = to_merge(&objects) {
                let bytes = objects.iter().filter(|(path, _)| inputs.contains(path)).map(|(_, bytes)| bytes).sum();
                objects.retain(|(path, _)| !inputs.contains(path));
                objects.push((merged, bytes));
            }
            most = most.max(objects.len());
        }
        assert!(most <= 72, "{most}");
        let mut ranges: Vec<(u64, u64)> = objects.iter().map(|(path, _)| (path.first, path.last)).collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{ranges:?}");
        assert_eq!((ranges.first().map(|range| range.0), ranges.last().map(|range| range.1)), (Some(0), Some(9_999)));
    }
}
