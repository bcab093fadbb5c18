//! Whole header maps, finished before the response that needs them.
//!
//! Nearly every response of an API gets the same dozen headers. Appending them one by one hashes each name and
//! grows the map under way; cloning a map that has them already does neither. Most handlers set only a type and
//! a length, so a finished map has places for these two, and for what is computed for each response.

use std::{mem, sync::OnceLock};

use bartizan_core::{HeaderId, ResponseHeader};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::headers::{Prepared, name};

/// A policy gives few different lists: one for each kind of response, with and without CORS. What goes beyond
/// is appended.
const MOST: usize = 32;

/// Finished maps, each made when a response first needs it, and never changed.
#[derive(Debug, Default)]
pub(crate) struct Finished([OnceLock<Map>; MOST]);

/// A header of one response alone.
type Computed = (ResponseHeader, Box<[u8]>);

#[derive(Debug)]
struct Map {
    ids: Box<[HeaderId]>,
    computed: Box<[ResponseHeader]>,
    /// The places first, then the headers of `ids`. Empty where one name came twice: a map has one place for it.
    headers: HeaderMap,
}

impl Finished {
    /// Appends what the engine prepared and computed, by putting a finished map in the place of `headers`. Returns
    /// `false`, and does nothing, where that is no cheaper than to append them.
    pub(crate) fn append(
        &self,
        headers: &mut HeaderMap,
        ids: &[HeaderId],
        computed: &[Computed],
        prepared: &Prepared,
    ) -> bool {
        // Whatever else the handler set has to be appended in its turn, and what came twice has no place.
        if headers.len() >= ids.len() || headers.keys_len() < headers.len() {
            return false;
        }
        let Some(finished) = self.find(ids, computed, prepared) else { return false };
        let is_plain = headers.keys().all(has_place);
        // What the handler said of the same stands before what is appended.
        if !is_plain && headers.keys().any(|name| !has_place(name) && finished.contains_key(name)) {
            return false;
        }
        let mut own = mem::replace(headers, finished.clone());
        let (mut has_type, mut has_length) = (false, false);
        let mut places = headers.values_mut();
        if let (Some(content_type), Some(content_length)) = (places.next(), places.next()) {
            for (name, value) in &mut own {
                if *name == header::CONTENT_TYPE {
                    mem::swap(content_type, value);
                    has_type = true;
                } else if *name == header::CONTENT_LENGTH {
                    mem::swap(content_length, value);
                    has_length = true;
                }
            }
        }
        if !computed.is_empty() {
            fill(headers, computed);
        }
        if !is_plain {
            let others = own.into_iter().filter_map(|(name, value)| Some((name?, value)));
            headers.extend(others.filter(|(name, _)| !has_place(name)));
        }
        // A place that is not taken goes, and leaves room for a length that the server adds.
        if !has_type {
            headers.remove(header::CONTENT_TYPE);
        }
        if !has_length {
            headers.remove(header::CONTENT_LENGTH);
        }
        true
    }

    fn find(&self, ids: &[HeaderId], computed: &[Computed], prepared: &Prepared) -> Option<&HeaderMap> {
        let map = self.0.iter().find_map(|slot| {
            let map = slot.get_or_init(|| Map::new(ids, computed, prepared));
            (*map.ids == *ids && map.has_places_for(computed)).then_some(map)
        })?;
        Some(&map.headers).filter(|headers| !headers.is_empty())
    }
}

fn has_place(name: &HeaderName) -> bool {
    *name == header::CONTENT_TYPE || *name == header::CONTENT_LENGTH
}

/// Puts what was computed in its places, behind the first two. What cannot be a header's value is left out.
#[inline(never)]
fn fill(headers: &mut HeaderMap, computed: &[Computed]) {
    let mut unfit = Vec::new();
    for ((header, value), place) in computed.iter().zip(headers.values_mut().skip(2)) {
        match HeaderValue::from_bytes(value) {
            Ok(value) => *place = value,
            Err(_) => unfit.push(*header),
        }
    }
    for header in unfit {
        headers.remove(name(header));
    }
}

impl Map {
    fn new(ids: &[HeaderId], computed: &[Computed], prepared: &Prepared) -> Self {
        let computed: Box<[ResponseHeader]> = computed.iter().map(|(header, _)| *header).collect();
        let mut headers = HeaderMap::with_capacity(2 + computed.len() + ids.len());
        let places = [header::CONTENT_TYPE, header::CONTENT_LENGTH].into_iter();
        for place in places.chain(computed.iter().map(|header| name(*header))) {
            headers.append(place, HeaderValue::from_static(""));
        }
        for (name, value) in ids.iter().filter_map(|id| prepared.get(id.index())) {
            headers.append(name.clone(), value.clone());
        }
        if headers.keys_len() < headers.len() {
            headers.clear();
        }
        Self { ids: ids.into(), computed, headers }
    }

    fn has_places_for(&self, computed: &[Computed]) -> bool {
        self.computed.len() == computed.len()
            && self.computed.iter().zip(computed).all(|(place, (header, _))| place == header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::{Deployment, Engine, policy::Policy};

    /// The headers, with those of one name in their order.
    fn sorted(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
        let mut pairs: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        pairs.sort_by_key(|(name, _)| *name);
        pairs
    }

    #[test]
    fn a_finished_map_holds_what_appending_would_give() {
        let engine = engine();
        let prepared = crate::headers::prepare(&engine);
        let finished = Finished::default();
        let limit = || (ResponseHeader::RateLimit, (*b"\"address\";r=1;t=2").into());
        let sunset = || (ResponseHeader::Sunset, (*b"x").into());
        let policy = || (ResponseHeader::ReferrerPolicy, (*b"origin").into());
        let unfit = || (ResponseHeader::Sunset, (*b"x\n").into());
        let plain = &[("content-type", "text/plain"), ("content-length", "2")][..];
        let of_one: [(_, Vec<Computed>, _, _); 15] = [
            (plain, vec![], 6, true),
            (&[("content-length", "2")], vec![], 6, true),
            (&[("etag", "x"), ("content-type", "text/plain")], vec![], 6, true),
            (&[("referrer-policy", "origin"), ("content-type", "text/plain")], vec![], 6, false),
            (&[("link", "a"), ("content-type", "text/plain"), ("etag", "x")], vec![], 6, true),
            (&[], vec![], 6, true),
            (&[("content-type", "text/plain"), ("content-type", "text/html")], vec![], 6, false),
            (&[("link", "a"), ("link", "b")], vec![], 6, false),
            (plain, vec![], 2, false),
            (plain, vec![limit()], 6, true),
            (&[("etag", "x")], vec![limit(), sunset()], 6, true),
            (plain, vec![unfit(), limit()], 6, true),
            (&[("ratelimit", "x")], vec![limit()], 6, false),
            // One name twice, prepared and computed, or computed alone.
            (plain, vec![policy()], 6, false),
            (plain, vec![limit(), limit()], 6, false),
        ];
        for (own, computed, count, replaces) in of_one {
            let ids = &grant_ids(&engine)[..count];
            let mut map = HeaderMap::new();
            for (name, value) in own {
                map.append(*name, HeaderValue::from_static(value));
            }
            let mut appended = map.clone();
            for id in ids {
                let (name, value) = &prepared[id.index()];
                appended.append(name.clone(), value.clone());
            }
            for (header, value) in &computed {
                crate::headers::append(&mut appended, name(*header), value);
            }
            for _ in 0..2 {
                let mut map = map.clone();
                assert_eq!(
                    finished.append(&mut map, ids, &computed, &prepared),
                    replaces,
                    "{own:?} {computed:?}"
                );
                if replaces {
                    assert_eq!(sorted(&map), sorted(&appended), "{own:?} {computed:?}");
                }
            }
        }
    }

    #[test]
    fn more_lists_than_there_is_room_for_are_appended() {
        let engine = engine();
        let prepared = crate::headers::prepare(&engine);
        let finished = Finished::default();
        let ids = grant_ids(&engine);
        let computed = |number: usize| -> Vec<Computed> {
            ResponseHeader::ALL[..number].iter().map(|header| (*header, Box::default())).collect()
        };
        let mut count = 0;
        for (ids, number) in (1..=ids.len()).flat_map(|length| (0..12).map(move |number| (length, number))) {
            let mut headers = HeaderMap::new();
            finished.append(&mut headers, &grant_ids(&engine)[..ids], &computed(number), &prepared);
            count += 1;
        }
        assert!(count > MOST);
        let list: Vec<HeaderId> = ids.iter().copied().rev().collect();
        assert!(!finished.append(&mut HeaderMap::new(), &list, &[], &prepared));
        assert!(Finished::default().append(&mut HeaderMap::new(), &list, &[], &prepared));
    }

    fn engine() -> Engine {
        let mut policy = Policy::default();
        policy.origin.public = vec!["https://api.example.com".into()];
        Engine::build(&policy, &Deployment::default()).unwrap()
    }

    /// The headers that the engine gives a response.
    fn grant_ids(engine: &Engine) -> Vec<HeaderId> {
        use bartizan_core::{Decision, HeaderPair, RequestHead, ResponseHead, Scheme, Step};
        let head = RequestHead {
            method: b"GET",
            path: b"/",
            query: None,
            authority: None,
            scheme: Scheme::Https,
            peer: None,
            http2: false,
            headers: [(&b"host"[..], &b"api.example.com"[..])].into_iter(),
        };
        let step = engine.evaluate(&head, crate::OsClock, crate::OsEntropy).step();
        let Step::Done(Decision::Allow(grant)) = step else { panic!("{step:?}") };
        let response = ResponseHead { status: 200, headers: std::iter::empty::<HeaderPair<'_>>() };
        grant.respond(response, crate::OsClock, crate::OsEntropy).prepared().to_vec()
    }
}
