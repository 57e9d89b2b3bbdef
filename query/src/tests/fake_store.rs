//! A store that remembers what is asked of it, and fails where a test says so.
use super::*;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, Result as StoreResult,
};
use std::fmt;

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Fine,
    /// With an error, at once.
    Failing,
    /// Never.
    Silent,
    /// Never, and meanwhile the thread that asks can do nothing else.
    Stuck,
}

/// Objects that a listing of S3 has in one response.
const PAGE: usize = 1_000;

#[derive(Debug)]
pub(super) struct FakeStore {
    pub(super) inner: Arc<InMemory>,
    pub(super) listing: Mutex<Mood>,
    pub(super) reading: Mutex<Mood>,
    /// The folders that were listed, one for each request that S3 would have had.
    pub(super) listed: Mutex<Vec<String>>,
    pub(super) reads: Mutex<usize>,
}

impl FakeStore {
    pub(super) fn new(inner: Arc<InMemory>) -> Arc<FakeStore> {
        let [listing, reading] = [Mood::Fine, Mood::Fine].map(Mutex::new);
        Arc::new(FakeStore { inner, listing, reading, listed: Mutex::default(), reads: Mutex::default() })
    }

    pub(super) fn engine(self: &Arc<FakeStore>, config: Config, hot: Option<Arc<FakeHot>>) -> Engine {
        let hot = hot.map(|hot| (hot as Arc<dyn Hot>, decoder()));
        Engine::new(config, Arc::clone(self) as Arc<dyn ObjectStore>, Path::default(), hot).unwrap()
    }

    /// What was listed, and the number of reads, since this was asked last.
    pub(super) fn requests(&self) -> (Vec<String>, usize) {
        (std::mem::take(&mut self.listed.lock().unwrap()), std::mem::take(&mut self.reads.lock().unwrap()))
    }
}

async fn tell(mood: Mood) -> StoreResult<()> {
    match mood {
        Mood::Fine => Ok(()),
        Mood::Failing => Err(object_store::Error::Generic { store: "fake", source: "out of order".into() }),
        Mood::Silent => futures::future::pending().await,
        Mood::Stuck => loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
        },
    }
}

impl fmt::Display for FakeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inner)
    }
}

#[async_trait::async_trait]
impl ObjectStore for FakeStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }
    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }
    async fn get_opts(&self, path: &Path, options: GetOptions) -> StoreResult<GetResult> {
        *self.reads.lock().unwrap() += 1;
        let mood = *self.reading.lock().unwrap();
        tell(mood).await?;
        self.inner.get_opts(path, options).await
    }
    fn delete_stream(&self, paths: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(paths)
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        let name = prefix.map(ToString::to_string).unwrap_or_default();
        let (mood, objects) = (*self.listing.lock().unwrap(), self.inner.list(prefix));
        let all = self.inner.list(prefix).try_collect::<Vec<_>>().now_or_never().unwrap().unwrap();
        let pages = all.len().div_ceil(PAGE).max(1);
        self.listed.lock().unwrap().extend(std::iter::repeat_n(name, pages));
        let objects = async move { tell(mood).await.map(|()| objects) };
        futures::stream::once(objects).try_flatten().boxed()
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.listed.lock().unwrap().push(prefix.map(ToString::to_string).unwrap_or_default());
        let mood = *self.listing.lock().unwrap();
        tell(mood).await?;
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
