//! A page: parts in order, each sent as soon as it and those before it are there.
//!
//! A browser paints what it has, so that the frame is seen at once and no script is needed to fill it. All parts are
//! made at the same time. When the reader leaves, what is not finished is dropped, and its queries end with it.
use crate::ask::Fault;
use crate::layout;
use crate::part::block;
use crate::partial;
use crate::visit::Visit;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::future::{BoxFuture, FutureExt, ready};
use futures::stream::{self, BoxStream, FuturesOrdered, StreamExt};
use maud::{Markup, html};
use std::convert::Infallible;

/// A page that is being put together.
pub struct Page {
    visit: Visit,
    title: String,
    status: StatusCode,
    scripts: Vec<&'static str>,
    refresh_seconds: Option<u32>,
    parts: Vec<Part>,
}

type Pieces = BoxStream<'static, String>;

enum Part {
    Ready(String),
    Later(BoxFuture<'static, String>),
    Stream(Pieces),
}

impl Page {
    pub(crate) fn new(visit: Visit, title: String) -> Page {
        Page { visit, title, status: StatusCode::OK, scripts: Vec::new(), refresh_seconds: None, parts: Vec::new() }
    }

    /// The status of the response, where it is not 200.
    pub fn status(&mut self, status: StatusCode) {
        self.status = status;
    }

    /// A module that this page needs besides the frame's: the name of an asset.
    pub fn script(&mut self, name: &'static str) {
        self.scripts.push(name);
    }

    /// Has the browser load the page's parts again and again.
    pub fn refresh(&mut self, seconds: u32) {
        self.refresh_seconds = Some(seconds);
    }

    /// A part that is there already.
    pub fn now(&mut self, markup: Markup) {
        self.push(markup.into_string());
    }

    /// Begins a row of parts beside each other, until [`Page::end`]; `class` is one of the style sheet's: `grid`.
    pub fn begin(&mut self, class: &'static str) {
        self.push(format!("<div class=\"{class}\">"));
    }

    /// Ends what [`Page::begin`] began.
    pub fn end(&mut self) {
        self.push("</div>".to_owned());
    }

    /// A titled part that takes a query. What it cannot show is said in its place.
    pub fn later(&mut self, title: &str, part: impl Future<Output = Result<Markup, Fault>> + Send + 'static) {
        self.card(title, html! {}, part);
    }

    /// Likewise, with something beside the title.
    pub fn card(
        &mut self,
        title: &str,
        beside: Markup,
        part: impl Future<Output = Result<Markup, Fault>> + Send + 'static,
    ) {
        let head = html! {
            div.card-head { h2 { (title) } (beside) }
            (block::loading())
        };
        self.push(format!("<section class=\"card\" id=\"{}\">{}", slug(title), head.into_string()));
        let part = part.map(|made| made.unwrap_or_else(|fault| block::fault(&fault)));
        let body = partial::said(part).map(|part| part.into_string() + "</section>");
        self.parts.push(Part::Later(body.boxed()));
    }

    /// A part that comes in pieces: the element of this id has them. It is made when those before it are sent.
    pub fn stream(&mut self, id: &'static str, pieces: BoxStream<'static, String>) {
        self.push(format!("<section id=\"{id}\">"));
        self.parts.push(Part::Stream(pieces));
        self.push("</section>".to_owned());
    }

    fn push(&mut self, text: String) {
        match self.parts.last_mut() {
            Some(Part::Ready(before)) => before.push_str(&text),
            _ => self.parts.push(Part::Ready(text)),
        }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let head = layout::head(&self.visit, &self.title, &self.scripts, self.refresh_seconds).into_string();
        let opened = layout::open(&self.visit, &self.title).into_string();
        let mut chunks: FuturesOrdered<BoxFuture<'static, Pieces>> = FuturesOrdered::new();
        let whole = |text: String| stream::once(ready(text)).boxed();
        chunks.push_back(ready(whole(format!("<!doctype html><html lang=\"en\">{head}{opened}"))).boxed());
        for part in self.parts {
            chunks.push_back(match part {
                Part::Ready(text) => ready(whole(text)).boxed(),
                Part::Later(text) => text.map(whole).boxed(),
                Part::Stream(pieces) => ready(pieces).boxed(),
            });
        }
        chunks.push_back(ready(whole("</main></body></html>".to_owned())).boxed());
        let chunks = chunks.flatten();
        let body = Body::from_stream(chunks.map(|chunk| Ok::<_, Infallible>(Bytes::from(chunk))));
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            // A page shows what is now, and SQL stands in its address.
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (self.status, headers, body).into_response()
    }
}

/// A title as the end of an address.
fn slug(title: &str) -> String {
    let plain = title.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    plain.collect::<String>().trim_matches('-').to_owned()
}
