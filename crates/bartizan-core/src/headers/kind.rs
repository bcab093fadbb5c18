//! What kind a response is, by its `Content-Type` and `Content-Disposition`: each kind has its own headers.

/// The kind of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// JSON, and everything not named below: SVG, XML, PDF, plain text, a missing type.
    Api,
    /// `text/html`, `application/xhtml+xml`.
    Page,
    /// Scripts, styles, WebAssembly, fonts, raster images, audio, video.
    Asset,
    /// `Content-Disposition: attachment`, whatever the type.
    Download,
    /// `text/event-stream`.
    Stream,
    /// A response of our own.
    Error,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Api, Self::Page, Self::Asset, Self::Download, Self::Stream, Self::Error];

    /// `api`, `page`, `asset`, `download`, `stream` or `error`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Page => "page",
            Self::Asset => "asset",
            Self::Download => "download",
            Self::Stream => "stream",
            Self::Error => "error",
        }
    }

    /// The kind of a response with this `Content-Type`.
    ///
    /// What is not on the list is *api*: the strictest headers, and no harm to what no browser renders.
    #[inline]
    pub(crate) fn of_content_type(value: &[u8]) -> Self {
        if value == JSON {
            return Self::Api;
        }
        let essence = value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        let is = |list: &[&[u8]]| list.iter().any(|known| essence.eq_ignore_ascii_case(known));
        let Some(slash) = essence.iter().position(|&byte| byte == b'/') else { return Self::Api };
        let (top, _) = essence.split_at(slash);
        if is(&[b"text/html", b"application/xhtml+xml"]) {
            Self::Page
        } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
            Self::Stream
        } else if is(ASSETS)
            || top.eq_ignore_ascii_case(b"audio")
            || top.eq_ignore_ascii_case(b"video")
            || top.eq_ignore_ascii_case(b"font")
        {
            Self::Asset
        } else {
            Self::Api
        }
    }
}

/// What an API mostly answers, as it is mostly written.
const JSON: &[u8] = b"application/json";

/// Scripts, styles, WebAssembly, raster images, and the names that fonts and media had before they had a tree.
const ASSETS: &[&[u8]] = &[
    b"text/css",
    b"text/javascript",
    b"application/javascript",
    b"application/x-javascript",
    b"text/ecmascript",
    b"application/ecmascript",
    b"application/wasm",
    b"image/png",
    b"image/jpeg",
    b"image/gif",
    b"image/webp",
    b"image/avif",
    b"image/apng",
    b"image/bmp",
    b"image/jxl",
    b"image/x-icon",
    b"image/vnd.microsoft.icon",
    b"application/font-woff",
    b"application/font-woff2",
    b"application/vnd.ms-fontobject",
    b"application/x-font-ttf",
    b"application/x-font-otf",
    b"application/ogg",
];

/// Whether a content type is JSON, problem documents included (RFC 6839 §3.1).
#[inline]
pub(crate) fn is_json(content_type: &[u8]) -> bool {
    if content_type == JSON {
        return true;
    }
    let essence = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    essence.eq_ignore_ascii_case(JSON)
        || essence
            .len()
            .checked_sub(5)
            .and_then(|at| essence.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(b"+json"))
}

/// Whether a `Content-Disposition` is `attachment` (RFC 6266 §4.2).
pub(crate) fn is_attachment(disposition: &[u8]) -> bool {
    disposition
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii()
        .eq_ignore_ascii_case(b"attachment")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (content_type, expected) in [
            ("application/json", Kind::Api),
            ("application/problem+json", Kind::Api),
            ("image/svg+xml", Kind::Api),
            ("text/xml", Kind::Api),
            ("text/plain; charset=utf-8", Kind::Api),
            ("application/pdf", Kind::Api),
            ("nonsense", Kind::Api),
            ("", Kind::Api),
            ("text/html", Kind::Page),
            ("Text/HTML; charset=utf-8", Kind::Page),
            ("application/xhtml+xml", Kind::Page),
            ("text/javascript; charset=utf-8", Kind::Asset),
            ("application/wasm", Kind::Asset),
            ("IMAGE/PNG", Kind::Asset),
            ("font/woff2", Kind::Asset),
            ("video/mp4", Kind::Asset),
            ("audio/ogg", Kind::Asset),
            ("text/css", Kind::Asset),
            ("text/event-stream", Kind::Stream),
        ] {
            assert_eq!(Kind::of_content_type(content_type.as_bytes()), expected, "{content_type}");
        }
    }

    #[test]
    fn json_and_attachments() {
        for (content_type, expected) in [
            ("application/json; charset=utf-8", true),
            ("application/problem+JSON", true),
            ("text/html", false),
            ("+json", true),
            ("json", false),
        ] {
            assert_eq!(is_json(content_type.as_bytes()), expected, "{content_type}");
        }
        for (disposition, expected) in [
            ("attachment", true),
            ("Attachment; filename=\"a\"", true),
            ("inline; filename=attachment", false),
            ("", false),
        ] {
            assert_eq!(is_attachment(disposition.as_bytes()), expected, "{disposition}");
        }
    }
}
