//! Why a part of a page has not all rows: noted by its queries, whatever the view does with their results, and said once in its
//! place.
use crate::part::block;
use futures::FutureExt;
use futures::future::BoxFuture;
use maud::{Markup, html};
use metlog_query::trace::find::Rows;
use metlog_query::{Batches, Error, Pool, Rights};
use std::cell::RefCell;
use std::sync::Arc;

tokio::task_local! {
    static REASON: RefCell<Option<String>>;
}

/// Notes a reason for the part that asks; nothing where no part does.
pub(crate) fn note(reason: Option<&str>) {
    if let Some(reason) = reason {
        // Outside of a part there is nobody to be told.
        let _ = REASON.try_with(|noted| noted.borrow_mut().get_or_insert_with(|| reason.to_owned()).len());
    }
}

/// Makes a part; what its queries noted stands before it, unless the part says so itself.
pub(crate) async fn said(part: impl Future<Output = Markup>) -> Markup {
    let made = async {
        let part = part.await;
        (part, REASON.try_with(RefCell::take).unwrap_or_default())
    };
    let (part, reason) = REASON.scope(RefCell::default(), made).await;
    if reason.is_none() || part.0.contains(block::PARTIAL) {
        return part;
    }
    html! { (block::partial(reason.as_deref())) (part) }
}

/// Rows of a pool, for traces.
pub(crate) struct Noting(pub(crate) Arc<Pool>);

impl Rows for Noting {
    fn rows(&self, sql: String, rights: Rights) -> BoxFuture<'_, Result<Batches, Error>> {
        async move {
            let found = self.0.rows(sql, rights).await?;
            note(found.partial.as_deref());
            Ok(found)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_missing_is_said_once_in_its_own_part() {
        let forgetful = |reason: Option<&'static str>| async move {
            note(reason);
            html! { p { "rows" } }
        };
        let part = said(forgetful(Some("the <store> is away"))).await.into_string();
        assert!(
            part.contains("A part of the rows only: the &lt;store&gt; is away") && part.ends_with("<p>rows</p>"),
            "{part}"
        );
        assert_eq!(said(forgetful(None)).await.into_string(), "<p>rows</p>");
        let careful = async {
            note(Some("away"));
            html! { (block::partial(Some("away"))) p { "rows" } }
        };
        assert_eq!(said(careful).await.into_string().matches("A part of the rows").count(), 1);
        // Parts are made at the same time, in one task.
        let (one, two) = futures::join!(said(forgetful(Some("one"))), said(forgetful(None)));
        assert!(one.into_string().contains("one") && !two.into_string().contains("one"));
        note(Some("nobody asks"));
    }
}
