//! A request's body on its way to the handler: bounded, and replayed where some of it was read before.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bartizan_core::Form;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use pin_project_lite::pin_project;
use thiserror::Error;

use super::BoxError;

pin_project! {
    /// A request's body, as the handler gets it.
    ///
    /// Most pass as they are. One that does not say how long it is ends in [`BodyTooLarge`] when it grows beyond
    /// the route's `max_body`, and whatever the handler answers then becomes 413 `body.too-large`. One that
    /// was looked into for a form field gives back what was read first, byte for byte.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        source: Source<B>,
        guard: Option<Box<Guard>>,
    }
}

pin_project! {
    #[project = SourceProjection]
    #[derive(Debug)]
    enum Source<B> {
        Plain { #[pin] body: B },
        // A body that was polled must not move again.
        Pinned { body: Pin<Box<B>> },
    }
}

#[derive(Debug, Default)]
struct Guard {
    /// What was read before the handler came to it.
    replay: Bytes,
    /// The trailers, where reading came to them.
    trailers: Option<Frame<Bytes>>,
    /// How reading ended, where it failed.
    failure: Option<BoxError>,
    limit: Option<Limit>,
}

#[derive(Debug)]
struct Limit {
    /// How many bytes may still come.
    left: u64,
    exceeded: Exceeded,
}

/// Told to whoever answers: the body was longer than it may be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exceeded(Arc<AtomicBool>);

impl Exceeded {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The request's body is longer than the policy's `max_body`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the request body is longer than this route allows")]
pub struct BodyTooLarge;

impl<B> RequestBody<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { source: Source::Plain { body }, guard: None }
    }

    /// The body as it came, if nothing has to be done to it.
    #[cfg(feature = "axum")]
    pub(crate) fn into_untouched(self) -> Result<B, Self> {
        match self {
            Self { source: Source::Plain { body }, guard: None } => Ok(body),
            touched => Err(touched),
        }
    }

    /// Lets at most `limit` bytes pass.
    pub(crate) fn limit(&mut self, limit: u64) -> Exceeded {
        let exceeded = Exceeded::default();
        self.guard.get_or_insert_default().limit = Some(Limit { left: limit, exceeded: exceeded.clone() });
        exceeded
    }
}

impl<B> RequestBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    /// Reads the first `limit` bytes, and keeps all that it reads for the handler.
    ///
    /// What it keeps is at most `limit` bytes and the frame that went beyond them, in one piece: a client that
    /// sends a body in a thousand frames costs no more than one that sends it in one.
    pub(crate) async fn buffer(self, limit: usize) -> (Self, Form) {
        let mut body = match self.source {
            Source::Plain { body } => Box::pin(body),
            Source::Pinned { body } => body,
        };
        let mut guard = self.guard.unwrap_or_default();
        let mut read = Vec::from(std::mem::take(&mut guard.replay));
        let mut truncated = read.len() > limit;
        while !truncated {
            match body.frame().await.map(|frame| frame.map(into_bytes)) {
                None => break,
                Some(Err(error)) => {
                    guard.failure = Some(error.into());
                    truncated = true;
                }
                Some(Ok(frame)) => match frame.data_ref() {
                    Some(data) => {
                        read.extend_from_slice(data);
                        truncated = read.len() > limit;
                    }
                    None => guard.trailers = Some(frame),
                },
            }
        }
        let form = Form { body: read[..read.len().min(limit)].to_vec(), truncated };
        guard.replay = read.into();
        (Self { source: Source::Pinned { body }, guard: Some(guard) }, form)
    }
}

fn into_bytes<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    // Nothing is copied where `D` is `Bytes`.
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

impl Guard {
    /// The next of what was read before, or `None` where the source goes on.
    fn replay(&mut self) -> Option<Result<Frame<Bytes>, BoxError>> {
        if !self.replay.is_empty() {
            return Some(Ok(Frame::data(std::mem::take(&mut self.replay))));
        }
        self.trailers.take().map(Ok).or_else(|| self.failure.take().map(Err))
    }

    fn has_replayed(&self) -> bool {
        self.replay.is_empty() && self.trailers.is_none() && self.failure.is_none()
    }

    /// Counts a frame.
    fn admit(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BoxError> {
        if let (Some(limit), Some(data)) = (&mut self.limit, frame.data_ref()) {
            let Some(left) = limit.left.checked_sub(data.len() as u64) else {
                limit.left = 0;
                limit.exceeded.0.store(true, Ordering::Relaxed);
                return Err(BodyTooLarge.into());
            };
            limit.left = left;
        }
        Ok(frame)
    }
}

impl<B> Body for Source<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match self.project() {
            SourceProjection::Plain { body } => ready!(body.poll_frame(cx)),
            SourceProjection::Pinned { body } => ready!(body.as_mut().poll_frame(cx)),
        };
        Poll::Ready(frame.map(|frame| frame.map(into_bytes).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain { body } => body.is_end_stream(),
            Self::Pinned { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain { body } => body.size_hint(),
            Self::Pinned { body } => body.size_hint(),
        }
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let Some(guard) = this.guard else { return this.source.poll_frame(cx) };
        let frame = match guard.replay() {
            Some(frame) => Some(frame),
            None => ready!(this.source.poll_frame(cx)),
        };
        Poll::Ready(frame.map(|frame| frame.and_then(|frame| guard.admit(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.guard.as_ref().is_none_or(|guard| guard.has_replayed()) && self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.source.size_hint();
        if let Some(guard) = &self.guard {
            let replayed = guard.replay.len() as u64;
            let (lower, upper) = (hint.lower(), hint.upper());
            hint = SizeHint::default();
            hint.set_lower(lower.saturating_add(replayed));
            if let Some(upper) = upper.and_then(|upper| upper.checked_add(replayed)) {
                hint.set_upper(upper);
            }
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{Full, StreamBody};
    use std::convert::Infallible;

    fn stream(chunks: &'static [&'static str]) -> impl Body<Data = Bytes, Error = BoxError> + Send {
        StreamBody::new(futures_util::stream::iter(chunks.iter().map(|chunk| match *chunk {
            "!" => Err("the connection was reset".into()),
            text => Ok(Frame::data(Bytes::from_static(text.as_bytes()))),
        })))
    }

    async fn collect(body: impl Body<Data = Bytes, Error = BoxError>) -> Result<String, String> {
        let collected = body.collect().await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(collected.to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_was_buffered_is_replayed() {
        for (chunks, limit, form, truncated, replayed) in [
            (&["a=1&", "b=2"][..], 16, "a=1&b=2", false, Ok("a=1&b=2")),
            (&["a=1&", "b=2"], 7, "a=1&b=2", false, Ok("a=1&b=2")),
            (&["a=1&", "b=2", "&c=3"], 6, "a=1&b=", true, Ok("a=1&b=2&c=3")),
            (&["a=1&", "b=2", "&c=3"], 0, "", true, Ok("a=1&b=2&c=3")),
            (&[], 6, "", false, Ok("")),
            (&["a=1", "!"], 6, "a=1", true, Err("the connection was reset")),
        ] {
            let (body, read) = RequestBody::new(stream(chunks)).buffer(limit).await;
            assert_eq!(read, Form { body: form.into(), truncated }, "{chunks:?} {limit}");
            assert_eq!(collect(body).await.as_deref().map_err(|e| &**e), replayed, "{chunks:?} {limit}");
        }
    }

    #[tokio::test]
    async fn a_body_without_a_length_is_counted() {
        for (limit, expected) in
            [(7, Ok("a=1&b=2")), (6, Err("the request body is longer than this route allows"))]
        {
            for buffered in [false, true] {
                let mut body = RequestBody::new(stream(&["a=1&", "b=2"]));
                if buffered {
                    body = body.buffer(2).await.0;
                }
                let exceeded = body.limit(limit);
                assert_eq!(collect(body).await.as_deref().map_err(|e| &**e), expected);
                assert_eq!(exceeded.is_set(), expected.is_err());
            }
        }
    }

    #[tokio::test]
    async fn the_length_stays_right() {
        let (body, _) = RequestBody::new(Full::<Bytes>::from("a=1&b=2")).buffer(2).await;
        assert_eq!(body.size_hint().exact(), Some(7));
        assert!(!body.is_end_stream());
        let untouched = RequestBody::new(http_body_util::Empty::<Bytes>::new());
        assert!(untouched.is_end_stream());
        let _: Result<_, Infallible> = Ok(untouched);
    }
}
