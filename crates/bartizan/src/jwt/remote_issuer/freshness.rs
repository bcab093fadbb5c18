//! For how long a response is fresh (RFC 9111 §4.2).

use std::time::Duration;

use http::{
    HeaderMap,
    header::{AGE, CACHE_CONTROL},
};

/// What `Cache-Control` says, less the time for which caches on the way have had it already; `None` where it says
/// nothing. What cannot be read counts as no longer fresh (§4.2.1).
pub(super) fn fresh_for(headers: &HeaderMap) -> Option<Duration> {
    let mut shortest: Option<u64> = None;
    for value in headers.get_all(CACHE_CONTROL) {
        let directives = value.to_str().unwrap_or("max-age=invalid");
        for directive in directives.split(',') {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            let seconds = match &*name.trim().to_ascii_lowercase() {
                // A quoted form is to be read too (§5.2).
                "max-age" => seconds(argument.trim().trim_matches('"')).unwrap_or(0),
                "no-store" | "no-cache" => 0,
                _ => continue,
            };
            shortest = Some(shortest.map_or(seconds, |other| other.min(seconds)));
        }
    }
    let age = headers.get(AGE).and_then(|age| seconds(age.to_str().ok()?.trim())).unwrap_or(0);
    Some(Duration::from_secs(shortest?.saturating_sub(age)))
}

/// Digits only; a number that is too large is the largest (§1.2.2).
fn seconds(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn the_shortest_time_that_is_named_holds() {
        for (lines, age, expected) in [
            (&[][..], None, None),
            (&["public, must-revalidate"], None, None),
            (&["max-age=600"], None, Some(600)),
            (&["public,MAX-AGE = \"600\" ,s-maxage=1"], None, Some(600)),
            (&["max-age=600", "max-age=60"], None, Some(60)),
            (&["max-age=600, no-store"], None, Some(0)),
            (&["no-cache"], None, Some(0)),
            (&["max-age=-1"], None, Some(0)),
            (&["max-age"], None, Some(0)),
            (&["max-age=1.5"], None, Some(0)),
            (&["max-age=99999999999999999999"], None, Some(u64::MAX)),
            (&["max-age=600\u{e9}"], None, Some(0)),
            (&["max-age=600"], Some("590"), Some(10)),
            (&["max-age=600"], Some("601"), Some(0)),
            (&["max-age=600"], Some("a while"), Some(600)),
            (&[], Some("5"), None),
        ] {
            let lines = lines.iter().map(|line| (CACHE_CONTROL, *line));
            let mut headers = HeaderMap::new();
            for (name, value) in lines.chain(age.map(|age| (AGE, age))) {
                let name: HeaderName = name;
                headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            assert_eq!(fresh_for(&headers), expected.map(Duration::from_secs), "{headers:?}");
        }
    }
}
