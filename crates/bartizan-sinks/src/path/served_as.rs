//! How a file that somebody uploaded is given to a browser (RFC 6266, RFC 8187, Fetch Metadata).

use super::FileName;
use std::fmt::Write as _;

/// What a browser shows and cannot be made to run: raster images and PDF. Not SVG and not HTML, which are programs.
const SHOWN: &[(&str, &str)] = &[
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("gif", "image/gif"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("webp", "image/webp"),
];

/// What may ask for a file of somebody else. Anything that runs or styles is not here, nor what is not known.
const DESTINATIONS: &[&str] = &["audio", "document", "empty", "frame", "iframe", "image", "video"];

/// The content type and the disposition of an uploaded file, decided by its extension.
///
/// A raster image or a PDF is shown under its own type. Everything else is `application/octet-stream` and an
/// attachment, whatever the uploader said it was, so that an uploaded page never becomes a page of this site. It
/// relies on `X-Content-Type-Options: nosniff`, which Bartizan sets.
///
/// ```
/// use bartizan_sinks::path::{FileName, ServedAs};
///
/// let photo = ServedAs::of(&FileName::parse("photo.JPG").unwrap());
/// assert_eq!(photo.content_type(), "image/jpeg");
/// assert_eq!(photo.content_disposition(), r#"inline; filename="photo.JPG""#);
///
/// let page = ServedAs::of(&FileName::parse("steal.html").unwrap());
/// assert_eq!(page.content_type(), "application/octet-stream");
/// assert_eq!(page.content_disposition(), r#"attachment; filename="steal.html""#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedAs {
    content_type: &'static str,
    inline: bool,
    name: FileName,
}

/// A file was asked for as something that it may not be, such as a script.
///
/// ```
/// use bartizan_sinks::path::{FileName, ServedAs};
///
/// let file = ServedAs::of(&FileName::parse("notes.txt").unwrap());
/// let refused = file.refuse_destination(Some("script")).unwrap_err();
/// assert_eq!(refused.destination, "script");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an uploaded file is not given out as {destination:?}: answer 403")]
pub struct RefusedDestination {
    /// What `Sec-Fetch-Dest` said.
    pub destination: String,
}

impl ServedAs {
    /// Decides by the name's extension.
    ///
    /// ```
    /// # use bartizan_sinks::path::{FileName, ServedAs};
    /// let drawing = ServedAs::of(&FileName::parse("logo.svg").unwrap());
    /// assert_eq!(drawing.content_type(), "application/octet-stream"); // an SVG can hold a script
    /// ```
    pub fn of(name: &FileName) -> Self {
        let extension = name.extension().unwrap_or_default();
        let shown = SHOWN.iter().find(|(shown, _)| extension.eq_ignore_ascii_case(shown));
        let content_type = shown.map_or("application/octet-stream", |&(_, content_type)| content_type);
        Self { content_type, inline: shown.is_some(), name: name.clone() }
    }

    /// The value of `Content-Type`.
    ///
    /// ```
    /// # use bartizan_sinks::path::{FileName, ServedAs};
    /// assert_eq!(ServedAs::of(&FileName::parse("a.png").unwrap()).content_type(), "image/png");
    /// ```
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// Whether the browser shows the file rather than saves it.
    ///
    /// ```
    /// # use bartizan_sinks::path::{FileName, ServedAs};
    /// assert!(ServedAs::of(&FileName::parse("a.png").unwrap()).is_inline());
    /// assert!(!ServedAs::of(&FileName::parse("a.js").unwrap()).is_inline());
    /// ```
    pub fn is_inline(&self) -> bool {
        self.inline
    }

    /// The value of `Content-Disposition`: ASCII, on one line, with the name quoted (RFC 6266 section 4.1), and once
    /// more in UTF-8 where ASCII does not hold it (RFC 8187 section 3.2).
    ///
    /// ```
    /// # use bartizan_sinks::path::{FileName, ServedAs};
    /// let file = ServedAs::of(&FileName::parse("Übung.doc").unwrap());
    /// let value = r#"attachment; filename="_bung.doc"; filename*=UTF-8''%C3%9Cbung.doc"#;
    /// assert_eq!(file.content_disposition(), value);
    /// ```
    pub fn content_disposition(&self) -> String {
        let name = self.name.as_str();
        let plain: String =
            name.chars().map(|character| if is_plain(character) { character } else { '_' }).collect();
        let mut value =
            format!("{}; filename=\"{plain}\"", if self.inline { "inline" } else { "attachment" });
        if plain != name {
            value.push_str("; filename*=UTF-8''");
            for byte in name.bytes() {
                // A `String` takes all that is written to it.
                let _ = if is_attr_char(byte) {
                    write!(value, "{}", byte as char)
                } else {
                    write!(value, "%{byte:02X}")
                };
            }
        }
        value
    }

    /// Refuses a request for the file as a script, a style sheet, a worker, a plug-in's object, or anything else than
    /// to look at it or to save it. The argument is the value of `Sec-Fetch-Dest`; clients that are no browsers, and
    /// old ones, send none, and only the content type protects those.
    ///
    /// ```
    /// # use bartizan_sinks::path::{FileName, ServedAs};
    /// let file = ServedAs::of(&FileName::parse("photo.png").unwrap());
    /// assert!(file.refuse_destination(Some("image")).is_ok());
    /// assert!(file.refuse_destination(None).is_ok());
    /// assert!(file.refuse_destination(Some("serviceworker")).is_err());
    /// ```
    pub fn refuse_destination(&self, sec_fetch_dest: Option<&str>) -> Result<(), RefusedDestination> {
        match sec_fetch_dest {
            Some(destination) if !DESTINATIONS.contains(&destination) => {
                Err(RefusedDestination { destination: destination.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

/// What every browser reads alike in a quoted string. `%` is not: some decode it there (RFC 6266 appendix D).
fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~') && !matches!(character, '"' | '\\' | '%')
}

/// `attr-char` (RFC 8187 section 3.2.1).
fn is_attr_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(name: &str) -> ServedAs {
        ServedAs::of(&FileName::parse(name).unwrap())
    }

    #[test]
    fn only_rasters_and_pdf_have_a_type_of_their_own() {
        for (name, content_type, inline) in [
            ("a.png", "image/png", true),
            ("a.PNG", "image/png", true),
            ("a.jpeg", "image/jpeg", true),
            ("a.webp", "image/webp", true),
            ("a.avif", "image/avif", true),
            ("a.pdf", "application/pdf", true),
            ("a.svg", "application/octet-stream", false),
            ("a.html", "application/octet-stream", false),
            ("a.png.html", "application/octet-stream", false),
            ("a.xhtml", "application/octet-stream", false),
            ("a.js", "application/octet-stream", false),
            ("a.txt", "application/octet-stream", false),
            ("png", "application/octet-stream", false),
            ("a.png\u{a0}", "application/octet-stream", false),
        ] {
            let served = served(name);
            assert_eq!((served.content_type(), served.is_inline()), (content_type, inline), "{name}");
        }
    }

    #[test]
    fn a_name_cannot_end_its_quotes() {
        for (name, value) in [
            ("a b.txt", r#"attachment; filename="a b.txt""#),
            (r#"a";x="b.txt"#, r#"attachment; filename="a_;x=_b.txt"; filename*=UTF-8''a%22%3Bx%3D%22b.txt"#),
            ("100%.txt", r#"attachment; filename="100_.txt"; filename*=UTF-8''100%25.txt"#),
            ("it's.gif", r#"inline; filename="it's.gif""#),
            ("日.png", r#"inline; filename="_.png"; filename*=UTF-8''%E6%97%A5.png"#),
        ] {
            assert_eq!(served(name).content_disposition(), value, "{name}");
        }
    }

    #[test]
    fn a_file_is_given_to_look_at_or_to_save() {
        let file = served("a.png");
        for destination in DESTINATIONS {
            assert_eq!(file.refuse_destination(Some(destination)), Ok(()), "{destination}");
        }
        assert_eq!(file.refuse_destination(None), Ok(()));
        for destination in [
            "script",
            "style",
            "worker",
            "sharedworker",
            "serviceworker",
            "object",
            "embed",
            "audioworklet",
            "paintworklet",
            "font",
            "json",
            "manifest",
            "report",
            "track",
            "xslt",
            "webidentity",
            "",
            "Image",
            "what",
        ] {
            let refused = RefusedDestination { destination: destination.to_owned() };
            assert_eq!(file.refuse_destination(Some(destination)), Err(refused), "{destination}");
        }
    }
}
