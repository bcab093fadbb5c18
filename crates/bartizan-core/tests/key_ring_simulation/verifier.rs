//! Another verifier: it knows our keys from the JWK set alone, and keeps that as long as it may.

use super::node::Node;

pub(crate) struct Verifier {
    pub(crate) offset: i64,
    /// Whether it fetches the set again for a `kid` that it does not know, at most every half minute.
    pub(crate) asks_again: bool,
    pub(crate) set: Option<(u64, Vec<Box<str>>)>,
}

const COOLDOWN: u64 = 30_000;

impl Verifier {
    /// What its clock says at the true time `now`.
    pub(crate) fn clock(&self, now: u64) -> u64 {
        now.checked_add_signed(self.offset).unwrap()
    }

    /// Whether it knows the key; `None` where no node gives it a set. It asks the nodes in turn, from `first` on.
    pub(crate) fn knows(
        &mut self,
        kid: &str,
        now: u64,
        max_age: u64,
        nodes: &[Node],
        first: usize,
    ) -> Option<bool> {
        let is_old = |(fetched, _): &(u64, Vec<Box<str>>), most: u64| now - fetched > most;
        if self.set.as_ref().is_none_or(|set| is_old(set, max_age)) {
            self.set = None;
            self.fetch(now, nodes, first)?;
        }
        let knows = |set: &Option<(u64, Vec<Box<str>>)>| {
            set.as_ref().is_some_and(|(_, kids)| kids.iter().any(|known| &**known == kid))
        };
        if !knows(&self.set) && self.asks_again && self.set.as_ref().is_some_and(|set| is_old(set, COOLDOWN))
        {
            let _ = self.fetch(now, nodes, first);
        }
        Some(knows(&self.set))
    }

    fn fetch(&mut self, now: u64, nodes: &[Node], first: usize) -> Option<()> {
        let kids = nodes.iter().cycle().skip(first).take(nodes.len()).find_map(|node| node.jwks(now))?;
        self.set = Some((now, kids));
        Some(())
    }
}
