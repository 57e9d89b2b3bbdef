//! The configuration of the Parquet sink.
use std::time::Duration;

/// How objects are written. Where they go is a [`crate::store::Store`].
#[derive(Debug, Clone)]
pub struct Config {
    /// zstd level, 1 to 22. 1 compresses text to within some percent of 3 at about twice its speed.
    pub compression_level: i32,
    /// Rows of a row group: what a reader skips or reads as a whole.
    pub row_group_rows: usize,
    /// Longest wait for one object to be stored; then it is an error to retry.
    pub put_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config { compression_level: 1, row_group_rows: 128 * 1024, put_timeout: Duration::from_secs(120) }
    }
}
