//! The body of a response: with it the request ends.
use super::exchange::{Exchange, within};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// A response's body, in the span of its request, which ends with it.
    #[derive(Debug)]
    pub struct Body<B> {
        exchange: Option<Exchange>,
        // Bytes that are still to come, where that is known: a server need not ask for the end of what it has sent whole.
        left: Option<u64>,
        #[pin]
        inner: B,
    }
}

impl<B: http_body::Body> Body<B> {
    /// `length`: what the headers say.
    pub(super) fn new(inner: B, exchange: Option<Exchange>, length: Option<u64>) -> Body<B> {
        let left = length.or_else(|| inner.size_hint().exact());
        let mut exchange = exchange;
        if (inner.is_end_stream() || left == Some(0))
            && let Some(mut exchange) = exchange.take()
        {
            exchange.whole();
        }
        Body { exchange, left, inner }
    }
}

impl<B> http_body::Body for Body<B>
where
    B: http_body::Body,
    B::Error: Display,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let polled = ready!(within(this.exchange, || this.inner.as_mut().poll_frame(task)));
        let Some(exchange) = this.exchange else { return Poll::Ready(polled) };
        match &polled {
            None => exchange.whole(),
            Some(Err(error)) => exchange.failed(error),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let bytes = bytes::Buf::remaining(data) as u64;
                    *this.left = this.left.map(|left| left.saturating_sub(bytes));
                }
                if let Some(trailers) = frame.trailers_ref() {
                    exchange.grpc(trailers);
                    exchange.whole();
                } else if *this.left == Some(0) || this.inner.is_end_stream() {
                    exchange.whole();
                }
            }
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Some responses of axum must have a default.
impl<B: Default> Default for Body<B> {
    fn default() -> Self {
        Body { exchange: None, left: None, inner: B::default() }
    }
}
