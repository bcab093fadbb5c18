//! The bodies that go in and out of the layer.
//!
//! A request's body may have to be counted (`max_body`) or replayed (a form field was read from it), and a
//! response's body may be one of ours. Both change a body's type, unless there is a type that can hold any
//! body, as axum's can: so a marker says how bodies travel.

mod request;
mod response;

use bytes::Bytes;
use http_body::Body;

pub(crate) use request::Exceeded;
pub use request::{BodyTooLarge, RequestBody};
pub use response::ResponseBody;

/// Any error, `Send`, on the heap.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How request bodies of type `B` reach the handler.
pub trait RequestBodies<B>: sealed::Sealed {
    /// What the handler gets.
    type Body;

    /// Hands a body on.
    fn carry(body: RequestBody<B>) -> Self::Body;
}

/// How response bodies of type `B` reach the server.
pub trait ResponseBodies<B>: sealed::Sealed {
    /// What the server gets.
    type Body;

    /// Passes a handler's body.
    fn pass(body: B) -> Self::Body;

    /// Makes a body of one of our replies.
    fn reply(bytes: Bytes) -> Self::Body;
}

/// Bodies of any type: the handler gets a [`RequestBody<B>`], the server a [`ResponseBody<B>`]. Neither puts
/// anything on the heap.
#[derive(Clone, Copy, Debug)]
pub enum AnyBodies {}

impl<B> RequestBodies<B> for AnyBodies {
    type Body = RequestBody<B>;

    fn carry(body: RequestBody<B>) -> RequestBody<B> {
        body
    }
}

impl<B: Body> ResponseBodies<B> for AnyBodies {
    type Body = ResponseBody<B>;

    fn pass(body: B) -> ResponseBody<B> {
        ResponseBody::inner(body)
    }

    fn reply(bytes: Bytes) -> ResponseBody<B> {
        ResponseBody::reply(bytes)
    }
}

/// Bodies of axum's type, [`axum::body::Body`], on both sides: a body that already has it passes as it is.
#[cfg(feature = "axum")]
#[derive(Clone, Copy, Debug)]
pub enum AxumBodies {}

#[cfg(feature = "axum")]
impl<B> RequestBodies<B> for AxumBodies
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Body = axum::body::Body;

    fn carry(body: RequestBody<B>) -> axum::body::Body {
        match body.into_untouched() {
            Ok(body) => axum::body::Body::new(body),
            Err(guarded) => axum::body::Body::new(guarded),
        }
    }
}

#[cfg(feature = "axum")]
impl<B> ResponseBodies<B> for AxumBodies
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Body = axum::body::Body;

    fn pass(body: B) -> axum::body::Body {
        axum::body::Body::new(body)
    }

    fn reply(bytes: Bytes) -> axum::body::Body {
        axum::body::Body::from(bytes)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::AnyBodies {}
    #[cfg(feature = "axum")]
    impl Sealed for super::AxumBodies {}
}
