//! The HTTP sink: messages as JSON arrays, each posted to a URL of its own, as Mozilla's Bagheera takes them.
//! Windows are not for it.
//!
//! | response | action |
//! |---|---|
//! | 2xx | delivered |
//! | 413 | sent again as two halves; a single message is set aside |
//! | 401, 407, 408, 425, 429, 3xx, 5xx, none | an error to retry, not before `Retry-After` |
//! | any other | set aside on disk, with the server's response |
//!
//! The probe is an OPTIONS request, with the same headers and token.
//!
//! `Ok` means that every message is in a document that the server accepted or that is in the folder. A document's
//! uuid is derived from its content, so that a retry is the same document. Documents of the current batch that were
//! already delivered are remembered, so that a retry resumes where it stopped.
pub mod config;
mod documents;
mod post;
mod set_aside;
#[cfg(test)]
mod tests;

pub use config::{Config, UrlTemplate};
pub use post::header;

use crate::{Batch, Receipt, Sink, SinkError};
use documents::{Columns, Document, body, documents, uuid};
use futures::future::{BoxFuture, join_all};
use metlog_schemas::table::Table;
use post::{Answer, Parcel, Poster};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use uuid::Uuid;

/// See the module.
#[derive(Debug)]
pub struct Http {
    config: Config,
    poster: Poster,
    progress: Progress,
}

/// What became of the documents of the batch that is being written.
#[derive(Debug, Default)]
struct Progress {
    batch: Option<(Arc<str>, u64)>,
    fates: HashMap<Uuid, Fate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Written,
    SetAside,
    TooLarge,
}

impl Http {
    /// # Errors
    /// In words for an operator, where a header or the token cannot be sent or TLS cannot be set up.
    pub fn new(config: Config) -> Result<Http, String> {
        Ok(Http { poster: Poster::new(&config)?, config, progress: Progress::default() })
    }

    async fn write_all(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let id = Some((batch.listener.clone(), batch.segment));
        if self.progress.batch != id {
            self.progress = Progress { batch: id, fates: HashMap::new() };
        }
        let columns: Option<Vec<Columns>> = batch.rows[Table::Messages].iter().map(Columns::of).collect();
        let columns: Arc<[Columns]> = columns.ok_or_else(|| SinkError::set_aside("a column is missing"))?.into();
        let mut waiting = VecDeque::from(documents(batch, &columns, &self.config));
        let mut receipt = Receipt::default();
        while !waiting.is_empty() {
            let next: Vec<Document> = waiting.drain(..waiting.len().min(self.config.in_flight.max(1))).collect();
            let parcels = self.parcels(batch, &columns, next).await?;
            let fates = join_all(parcels.iter().map(|parcel| self.deliver(parcel))).await;
            for (parcel, fate) in parcels.iter().zip(&fates) {
                if let Ok(fate) = fate {
                    self.progress.fates.insert(parcel.uuid, *fate);
                }
            }
            // From the back, so that halves come to stand in front in their order.
            for (parcel, fate) in parcels.into_iter().zip(fates).rev() {
                match fate? {
                    Fate::Written => receipt.written += parcel.document.rows.len() as u64,
                    Fate::SetAside => receipt.set_aside += parcel.document.rows.len() as u64,
                    Fate::TooLarge => {
                        parcel.document.halves().into_iter().flatten().rev().for_each(|half| waiting.push_front(half))
                    }
                }
            }
        }
        self.progress = Progress::default();
        Ok(receipt)
    }

    /// Names and encodes documents, off the runtime's threads.
    async fn parcels(
        &self,
        batch: &Batch,
        columns: &Arc<[Columns]>,
        documents: Vec<Document>,
    ) -> Result<Vec<Parcel>, SinkError> {
        let (batch, columns) = (batch.clone(), columns.clone());
        let (poster, template) = (self.poster.clone(), self.config.url.clone());
        let parcel = move |document: Document| {
            let body = body(&document, &columns)?;
            let uuid = uuid(&batch, &document, &body);
            let url = template.fill(uuid, &document.logger, &document.r#type, &batch.listener);
            let packed = poster.pack(body.clone())?.into();
            Ok(Parcel { uuid, url, document, body: body.into(), packed })
        };
        let parcels = move || documents.into_iter().map(parcel).collect::<std::io::Result<_>>();
        tokio::task::spawn_blocking(parcels).await.map_err(SinkError::retry)?.map_err(SinkError::set_aside)
    }

    async fn deliver(&self, parcel: &Parcel) -> Result<Fate, SinkError> {
        if let Some(fate) = self.progress.fates.get(&parcel.uuid) {
            return Ok(*fate);
        }
        let can_be_halved = parcel.document.rows.len() > 1;
        if can_be_halved && parcel.body.len() > self.config.batch_bytes {
            return Ok(Fate::TooLarge);
        }
        let reason = match self.poster.post(&parcel.url, parcel.packed.clone()).await? {
            Answer::Taken => return Ok(Fate::Written),
            Answer::TooLarge if can_be_halved => return Ok(Fate::TooLarge),
            Answer::TooLarge => format!("{}: 413: a single message is too large", parcel.url),
            Answer::Refused(reason) => reason,
        };
        tracing::warn!(uuid = %parcel.uuid, reason, "http: a document was permanently refused and is set aside");
        let (folder, uuid, body) = (self.config.set_aside.clone(), parcel.uuid, parcel.body.clone());
        let keep = move || set_aside::set_aside(&folder, uuid, &body, &reason);
        let kept = tokio::task::spawn_blocking(keep).await.map_err(SinkError::retry)?;
        kept.map_err(|error| SinkError::retry(format!("{}: {error}", self.config.set_aside.display())))?;
        Ok(Fate::SetAside)
    }
}

impl Sink for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn write<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        Box::pin(self.write_all(batch))
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        let url = self.config.url.fill(Uuid::nil(), "", "", "");
        let poster = &self.poster;
        Box::pin(async move { poster.probe(&url).await })
    }
}
