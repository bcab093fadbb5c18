//! Isolation of API responses from foreign pages (Fetch Metadata resource isolation; ASVS 3.5.8): a page of
//! another site cannot pull a response into its process as a script, image or frame.
//!
//! Which responses are of kind *api* is known when they come, so the request only becomes a suspect; the denial
//! takes the place of the response.

use super::Finding;
use crate::{DenialCode, facts::Facts, headers::Kind};

/// Whether a response of kind *api* to this request would go to a foreign page that no policy names.
///
/// `shared` is whether CORS shares the response with the request's origin.
#[inline]
pub(crate) fn is_suspect(facts: &Facts<'_>, shared: bool) -> bool {
    matches!(facts.site(), Some(site) if site != b"same-origin" && site != b"none")
        && matches!(facts.method, b"GET" | b"HEAD")
        && facts.fetch_mode != Some(b"navigate")
        && !shared
}

/// Judges the response to a suspect.
pub(crate) const fn decide(kind: Kind) -> Finding<'static> {
    match kind {
        Kind::Api | Kind::Stream => Finding::refuse(
            DenialCode::IsolationCrossSite,
            b"",
            "an API response to a page of another site that no policy names",
        ),
        _ => Finding::Pass("not a response of kind api"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::tests::facts;

    #[test]
    fn suspects() {
        for (method, headers, shared, expected) in [
            ("GET", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")][..], false, true),
            ("HEAD", &[("sec-fetch-site", "same-site")], false, true),
            ("GET", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")], true, false),
            ("GET", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], false, false),
            ("GET", &[("sec-fetch-site", "same-origin")], false, false),
            ("GET", &[("sec-fetch-site", "none")], false, false),
            ("GET", &[], false, false),
            ("POST", &[("sec-fetch-site", "cross-site")], false, false),
        ] {
            assert_eq!(is_suspect(&facts(method, headers), shared), expected, "{method} {headers:?}");
        }
        assert_eq!(decide(Kind::Api).code(), Some("isolation.cross-site"));
        assert_eq!(decide(Kind::Stream).code(), Some("isolation.cross-site"));
        for kind in [Kind::Page, Kind::Asset, Kind::Download, Kind::Error] {
            assert_eq!(decide(kind).code(), None, "{kind:?}");
        }
    }
}
