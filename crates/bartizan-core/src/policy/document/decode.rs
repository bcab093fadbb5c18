//! A serde `Deserializer` over the tree, whose errors know their place.

use alloc::{
    borrow::ToOwned as _,
    collections::btree_map,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{fmt, iter, slice};

use serde::{
    de::{
        DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer as _, MapAccess, SeqAccess,
        Unexpected, Visitor,
        value::{SeqDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};

use super::{
    diagnostic::{Fault, listed},
    tree::{Entry, Node, Path, Segment, Value},
};
use crate::policy::{SecretRef, StoreUrl};

/// A fault, and the way to it.
#[derive(Debug)]
pub(super) struct DecodeError {
    /// From the fault up to the root.
    way: Vec<Segment>,
    pub(super) fault: Fault,
}

impl DecodeError {
    const fn new(fault: Fault) -> Self {
        Self { way: Vec::new(), fault }
    }

    fn wrong_type(expected: String, node: &Node) -> Self {
        Self::new(Fault::WrongType { expected, found: node.kind() })
    }

    fn under(mut self, segment: Segment) -> Self {
        self.way.push(segment);
        self
    }

    /// Where it is, and what.
    pub(super) fn into_parts(mut self) -> (Path, Fault) {
        self.way.reverse();
        (Path(self.way), self.fault)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl core::error::Error for DecodeError {}

impl serde::de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Fault::Invalid(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
            Unexpected::Float(_) => "a number with a fraction",
            Unexpected::Seq => "an array",
            Unexpected::Map => "a table",
            Unexpected::Other(kind) if kind == DATE => "a date",
            _ => "a string",
        };
        Self::new(Fault::WrongType { expected: in_terms_of_toml(expected), found })
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Fault::OutOfRange { expected: in_terms_of_toml(expected) })
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::new(Fault::UnknownWord { word: word.to_owned(), known })
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(Fault::UnknownKey { key: key.to_owned(), known })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(Fault::MissingKey(key))
    }
}

const DATE: &str = "date";

/// What serde's own visitors call their types, in the words of the person who writes the file.
fn in_terms_of_toml(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "a sequence" => "an array",
        "a map" => "a table",
        "a boolean" => "`true` or `false`",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        _ => return text,
    }
    .to_owned()
}

/// Reads a node, marking on the way what must not be shown.
pub(super) struct NodeDeserializer<'a>(pub(super) &'a mut Node);

impl<'de> Deserializer<'de> for NodeDeserializer<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &mut self.0.value {
            Value::String(text) => visitor.visit_str(text),
            Value::Integer(number) => match i64::try_from(*number) {
                Ok(number) => visitor.visit_i64(number),
                // Whether any number will do is for the visitor to say.
                Err(_) => match visitor.visit_i64(i64::MIN) {
                    Ok(_) => {
                        Err(DecodeError::invalid_value(Unexpected::Signed(i64::MIN), &"a smaller number"))
                    }
                    Err(error) => Err(error),
                },
            },
            Value::Float(_) => Err(DecodeError::invalid_type(Unexpected::Float(0.0), &visitor)),
            Value::Boolean(truth) => visitor.visit_bool(*truth),
            Value::Datetime(_) => Err(DecodeError::invalid_type(Unexpected::Other(DATE), &visitor)),
            Value::Array(nodes) => visitor.visit_seq(Elements(nodes.iter_mut().enumerate())),
            Value::Table(table) => visitor.visit_map(Entries {
                written: table.iter_mut(),
                lacking: self.0.lacking.iter(),
                value: None,
            }),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.0.raw {
            // An override wrote 8080 where a string belongs: it is one.
            Some(raw) => visitor.visit_str(raw),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.0.hidden |= name == SecretRef::NAME || (name == StoreUrl::NAME && self.0.has_password());
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if matches!(self.0.value, Value::Table(_)) {
            return self.deserialize_any(visitor);
        }
        // The table may have secrets in it, and so may what stands in its place.
        self.0.hidden = true;
        Err(DecodeError::wrong_type("a table".to_owned(), self.0))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let word: &str = match (&self.0.raw, &self.0.value) {
            (Some(raw), _) => raw,
            (None, Value::String(text)) => text,
            _ => return Err(DecodeError::wrong_type(words(variants), self.0)),
        };
        visitor.visit_enum(spelt(word))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct identifier
    }
}

fn words(words: &[&str]) -> String {
    match words {
        [word] => listed(&[word]),
        _ => alloc::format!("one of {}", listed(words)),
    }
}

/// The elements of an array that are not pruned.
struct Elements<'a>(iter::Enumerate<slice::IterMut<'a, Node>>);

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some((index, node)) = self.0.find(|(_, node)| !node.pruned) else { return Ok(None) };
        let element = seed.deserialize(NodeDeserializer(node));
        element.map(Some).map_err(|error| error.under(Segment::Index(index)))
    }
}

/// The keys of a table that are not pruned, and those that it lacks.
struct Entries<'a> {
    written: btree_map::IterMut<'a, String, Entry>,
    lacking: slice::Iter<'a, &'static str>,
    /// Of the key that was read last.
    value: Option<(&'a str, Option<&'a mut Node>)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some((key, entry)) = self.written.find(|(_, entry)| !entry.node.pruned) else {
            let Some(key) = self.lacking.next() else { return Ok(None) };
            self.value = Some((key, None));
            return seed.deserialize(spelt(key)).map(Some);
        };
        match seed.deserialize(spelt(entry.meant.unwrap_or(key))) {
            Ok(read) => {
                self.value = Some((key, Some(&mut entry.node)));
                Ok(Some(read))
            }
            Err(error) => Err(error.under(Segment::Key(key.clone()))),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, DecodeError> {
        let Some((key, node)) = self.value.take() else {
            return Err(DecodeError::custom("a value was asked for before its key"));
        };
        match node {
            Some(node) => seed.deserialize(NodeDeserializer(node)),
            None => stand_in(key, seed),
        }
        .map_err(|error| error.under(Segment::Key(key.to_owned())))
    }
}

fn spelt(key: &str) -> StrDeserializer<'_, DecodeError> {
    key.into_deserializer()
}

/// What is read for a key that must be there and is not, so that the rest of its table can be judged.
fn stand_in<'de, T: DeserializeSeed<'de>>(key: &str, seed: T) -> Result<T::Value, DecodeError> {
    match key {
        "version" | "limit" => seed.deserialize(1_u32.into_deserializer()),
        "match" => seed.deserialize(spelt("* /")),
        "issuer" => seed.deserialize(spelt("https://stand.in")),
        "per" => seed.deserialize(spelt("1s")),
        "any" => seed.deserialize(SeqDeserializer::new(iter::empty::<&str>())),
        _ => seed.deserialize(spelt("env://STAND_IN")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Policy, document::tree::Origin, schema};
    use serde::Deserialize as _;

    #[test]
    fn every_required_key_has_a_stand_in() {
        let schema = schema();
        let definitions = schema["$defs"].as_object().unwrap().values();
        let mut required: Vec<_> = definitions
            .chain([&schema])
            .flat_map(|definition| {
                let alternatives = definition["anyOf"].as_array().into_iter().flatten();
                alternatives.chain([definition]).filter_map(|definition| definition["required"].as_array())
            })
            .flatten()
            .map(|key| key.as_str().unwrap())
            .collect();
        required.sort_unstable();
        assert_eq!(
            required,
            [
                "any",
                "audience",
                "audience",
                "certificate",
                "issuer",
                "issuer",
                "key",
                "limit",
                "match",
                "per",
                "version"
            ]
        );

        let table = |lacking: &[&'static str], entries: Vec<(&str, Node)>| {
            let mut table = Node::table(Origin::nowhere());
            table.lacking = lacking.to_vec();
            if let Value::Table(table) = &mut table.value {
                table.extend(
                    entries
                        .into_iter()
                        .map(|(key, node)| (key.to_owned(), Entry::new(Origin::nowhere(), node))),
                );
            }
            table
        };
        let route = table(&["match"], [("require", table(&["any"], [].into()))].into());
        let routes = Node::new(Value::Array([route].into()), Origin::nowhere());
        let server = table(&[], [("tls", table(&["certificate", "key"], [].into()))].into());
        let limits = table(&[], [("address", table(&["limit", "per"], [].into()))].into());
        let trusted =
            Node::new(Value::Array([table(&["audience", "issuer"], [].into())].into()), Origin::nowhere());
        let jwt = table(&["audience", "issuer"], [("trusted_issuer", trusted)].into());
        let tables = [("jwt", jwt), ("route", routes), ("server", server), ("rate_limit", limits)];
        let mut policy = table(&["version"], tables.into());
        Policy::deserialize(NodeDeserializer(&mut policy)).unwrap();
    }
}
