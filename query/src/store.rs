//! The store as one query uses it: read only, with bounded waits. What could not be read is remembered, so that a result
//! without it can say so.
use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// Longest wait for each MiB of an object, beyond the wait for its beginning.
const WAIT_A_MIB: Duration = Duration::from_secs(1);

/// Objects that are taken at a time from a listing, where they are there.
const OBJECTS_A_STEP: usize = 1_000;

/// What a query could not see.
#[derive(Debug, Clone)]
pub(crate) struct Gaps {
    /// True where a result with gaps is none.
    is_strict: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// What the store said when it first failed.
    failure: Option<String>,
    /// What is left out of the result.
    missing: Option<String>,
    cannot_list: bool,
    cannot_read: bool,
    is_stale: bool,
}

/// What is asked of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    List,
    Read,
}

impl Gaps {
    pub(crate) fn new(is_strict: bool) -> Gaps {
        Gaps { is_strict, state: Arc::default() }
    }

    pub(crate) fn is_strict(&self) -> bool {
        self.is_strict
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True once something could not be read.
    pub(crate) fn cannot_read(&self) -> bool {
        self.state().cannot_read
    }

    /// True where nobody waits for that any more, since it has failed and a result without it is still one.
    fn gives_up(&self, verb: Verb) -> bool {
        let state = self.state();
        let has_failed = if verb == Verb::List { state.cannot_list } else { state.cannot_read };
        has_failed && !self.is_strict
    }

    /// True once something that was listed was not there any more.
    pub(crate) fn is_stale(&self) -> bool {
        self.state().is_stale
    }

    /// Something is left out; the first such word counts.
    pub(crate) fn leave_out(&self, what: &str) {
        self.state().missing.get_or_insert_with(|| what.to_owned());
    }

    /// Why the result has not all rows; none where it has.
    pub(crate) fn reason(&self) -> Option<String> {
        let state = self.state();
        let missing = state.missing.as_deref()?;
        Some(format!("{missing}: {}", state.failure.as_deref().unwrap_or("the store failed")))
    }

    fn note(&self, verb: Verb, error: &Error) {
        match error {
            Error::NotFound { .. } | Error::NotModified { .. } | Error::Precondition { .. } => {
                self.state().is_stale = true;
            }
            // A line that stands in a header.
            other => {
                let text = other.to_string();
                let line = text.lines().next().unwrap_or_default().chars().take(200).collect();
                let mut state = self.state();
                state.failure.get_or_insert(line);
                match verb {
                    Verb::List => state.cannot_list = true,
                    Verb::Read => state.cannot_read = true,
                }
            }
        }
    }
}

/// A store with bounded waits, which notes its failures.
#[derive(Debug)]
pub(crate) struct Bounded {
    pub(crate) inner: Arc<dyn ObjectStore>,
    pub(crate) wait: Duration,
    pub(crate) gaps: Gaps,
}

impl fmt::Display for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inner)
    }
}

fn too_late(wait: Duration) -> Error {
    Error::Generic { store: "store", source: format!("it did not answer within {wait:?}").into() }
}

impl Bounded {
    async fn bounded<T>(&self, verb: Verb, wait: Duration, request: impl Future<Output = Result<T>>) -> Result<T> {
        if self.gaps.gives_up(verb) {
            return Err(Error::Generic { store: "store", source: "it has failed before".into() });
        }
        let outcome = timeout(wait, request).await.unwrap_or_else(|_| Err(too_late(wait)));
        outcome.inspect_err(|error| self.gaps.note(verb, error))
    }
}

fn read_only() -> Error {
    Error::NotSupported { source: "queries only read".into() }
}

#[async_trait]
impl ObjectStore for Bounded {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let found = self.bounded(Verb::Read, self.wait, self.inner.get_opts(location, options)).await?;
        let payload = match found.payload {
            GetResultPayload::Stream(chunks) => {
                let (wait, gaps) = (self.wait, self.gaps.clone());
                let chunks = futures::stream::unfold(Some(chunks), move |chunks| async move {
                    let mut chunks = chunks?;
                    match timeout(wait, chunks.next()).await {
                        Ok(None) => None,
                        Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(chunks))),
                        Ok(Some(Err(error))) => Some((Err(error), None)),
                        Err(_) => Some((Err(too_late(wait)), None)),
                    }
                });
                let chunks = chunks.inspect_err(move |error| gaps.note(Verb::Read, error));
                GetResultPayload::Stream(chunks.boxed())
            }
            file => file,
        };
        Ok(GetResult { payload, ..found })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        let bytes: u64 = ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum();
        let wait = self.wait + WAIT_A_MIB * u32::try_from(bytes >> 20).unwrap_or(u32::MAX).min(600);
        self.bounded(Verb::Read, wait, self.inner.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        futures::stream::once(async { Err(read_only()) }).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.bounded(Verb::List, self.wait, self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only())
    }
}

impl Bounded {
    /// All objects below a folder. Each step may take its time, since there may be many of them.
    ///
    /// # Errors
    /// What the store says, and where a step takes too long.
    pub(crate) async fn list_all(&self, prefix: &Path) -> Result<Vec<ObjectMeta>> {
        let mut steps = self.inner.list(Some(prefix)).ready_chunks(OBJECTS_A_STEP);
        let mut objects = Vec::new();
        while let Some(step) = self.bounded(Verb::List, self.wait, async { Ok(steps.next().await) }).await? {
            for object in step {
                objects.push(object.inspect_err(|error| self.gaps.note(Verb::List, error))?);
            }
        }
        Ok(objects)
    }
}
