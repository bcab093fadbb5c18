//! JSON objects read strictly (I-JSON, RFC 7493 §2): each name once, however it is spelt, and nothing after the end.
//!
//! A name that comes twice is read one way here and another way there; RFC 7515 §4 and RFC 7519 §4 let a verifier
//! refuse it, so we do, at every depth. Only what the caller can use is kept.

use alloc::{borrow::Cow, vec::Vec};
use core::{cell::Cell, fmt};

use serde::de::{self, DeserializeSeed, Deserializer as _, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;

/// How deep lists and objects may lie in each other: tokens of large providers have four or five levels.
const DEEPEST: u8 = 16;

/// What is wrong with a text that should have been an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// It is not JSON in UTF-8, not an object, or something follows it.
    #[error("is not one JSON object in UTF-8")]
    Syntax,
    /// A name is there twice in one object; escapes such as `\u0061` count as what they mean.
    #[error("has a member twice")]
    Duplicate,
    /// Lists and objects lie more than 16 deep.
    #[error("is nested more than {DEEPEST} deep")]
    Deep,
}

/// The members of an object, in the order of their names.
pub(super) type Members<'t> = Vec<(Cow<'t, str>, Value<'t>)>;

/// A value, as far as anything here has a use for it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'t> {
    Text(Cow<'t, str>),
    /// A number without sign, fraction or exponent.
    Whole(u64),
    /// Any other number.
    Number(f64),
    List(Vec<Value<'t>>),
    Object(Members<'t>),
    /// `true`, `false`, `null`, or what lies deeper than was asked for.
    Other,
}

impl<'t> Value<'t> {
    pub(super) fn into_text(self) -> Option<Cow<'t, str>> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The texts of a list that has nothing else in it.
    pub(super) fn into_texts(self) -> Option<Vec<Cow<'t, str>>> {
        match self {
            Self::List(list) => list.into_iter().map(Self::into_text).collect(),
            _ => None,
        }
    }
}

/// Reads `text` as one object. What lies more than `keep` lists or objects below its members is checked, and dropped.
pub(super) fn object(text: &[u8], keep: u8) -> Result<Members<'_>, JsonFault> {
    let text = core::str::from_utf8(text).map_err(|_| JsonFault::Syntax)?;
    let fault = Cell::new(JsonFault::Syntax);
    let mut json = Deserializer::from_str(text);
    // The deserialiser has errors of one type only; what we find ourselves is told through the cell.
    let reader = Reader { keep: keep.saturating_add(1), deeper: DEEPEST, fault: &fault };
    let value = json.deserialize_any(reader).and_then(|value| json.end().map(|()| value));
    match value {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(JsonFault::Syntax),
        Err(_) => Err(fault.get()),
    }
}

/// The same from what reads the JSON that the object is a part of.
pub(super) fn deserialize<'t, D: de::Deserializer<'t>>(
    deserializer: D,
    keep: u8,
) -> Result<Members<'t>, D::Error> {
    let fault = Cell::new(JsonFault::Syntax);
    let reader = Reader { keep: keep.saturating_add(1), deeper: DEEPEST, fault: &fault };
    match deserializer.deserialize_any(reader)? {
        Value::Object(members) => Ok(members),
        _ => Err(D::Error::custom(JsonFault::Syntax)),
    }
}

/// Reads one value.
#[derive(Clone, Copy)]
struct Reader<'c> {
    /// How many more levels are kept.
    keep: u8,
    /// How many more levels there may be.
    deeper: u8,
    fault: &'c Cell<JsonFault>,
}

impl Reader<'_> {
    /// The reader of what lies in a list or an object.
    fn inside<E: de::Error>(self) -> Result<Self, E> {
        let deeper = self.deeper.checked_sub(1).ok_or_else(|| self.refuse(JsonFault::Deep))?;
        Ok(Self { keep: self.keep.saturating_sub(1), deeper, ..self })
    }

    fn refuse<E: de::Error>(self, fault: JsonFault) -> E {
        self.fault.set(fault);
        E::custom(fault)
    }
}

impl<'t> DeserializeSeed<'t> for Reader<'_> {
    type Value = Value<'t>;

    fn deserialize<D: de::Deserializer<'t>>(self, deserializer: D) -> Result<Value<'t>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Reader<'_> {
    type Value = Value<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_borrowed_str<E>(self, text: &'t str) -> Result<Value<'t>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'t>, E> {
        Ok(Value::Text(Cow::Owned(text.into())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'t>, E> {
        Ok(Value::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'t>, E> {
        #[expect(clippy::cast_precision_loss, reason = "only negative numbers come here, and none is taken")]
        Ok(Value::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'t>, E> {
        Ok(Value::Number(number))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'t>, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value<'t>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<Value<'t>, A::Error> {
        let inside = self.inside()?;
        let mut kept = Vec::new();
        while let Some(value) = list.next_element_seed(inside)? {
            if self.keep > 0 {
                kept.push(value);
            }
        }
        Ok(if self.keep > 0 { Value::List(kept) } else { Value::Other })
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Value<'t>, A::Error> {
        let inside = self.inside()?;
        let mut members = Members::new();
        while let Some(name) = map.next_key_seed(Name)? {
            let value = map.next_value_seed(inside)?;
            members.push((name, if self.keep > 0 { value } else { Value::Other }));
        }
        // Sorted once rather than looked up each time: many names cost no more than their number asks for.
        members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        if members.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other)) {
            return Err(self.refuse(JsonFault::Duplicate));
        }
        Ok(if self.keep > 0 { Value::Object(members) } else { Value::Other })
    }
}

/// Reads a member's name, without its escapes.
struct Name;

impl<'t> DeserializeSeed<'t> for Name {
    type Value = Cow<'t, str>;

    fn deserialize<D: de::Deserializer<'t>>(self, deserializer: D) -> Result<Cow<'t, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'t> Visitor<'t> for Name {
    type Value = Cow<'t, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'t str) -> Result<Cow<'t, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'t, str>, E> {
        Ok(Cow::Owned(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::String, vec};

    fn text(text: &str) -> Value<'_> {
        Value::Text(text.into())
    }

    #[test]
    fn members_are_read_in_the_order_of_their_names() {
        let json = r#" {"b": [1, "x", [2]], "a": "\u0061\n", "c": {"d": {"e": null}, "f": -1}, "g": 1.5, "h": true} "#;
        let members = object(json.as_bytes(), 1).unwrap();
        assert_eq!(
            members,
            [
                ("a".into(), text("a\n")),
                ("b".into(), Value::List(vec![Value::Whole(1), text("x"), Value::Other])),
                (
                    "c".into(),
                    Value::Object(vec![("d".into(), Value::Other), ("f".into(), Value::Number(-1.0))])
                ),
                ("g".into(), Value::Number(1.5)),
                ("h".into(), Value::Other),
            ]
        );
        assert_eq!(object(b"{\"a\":[1]}", 0).unwrap(), [("a".into(), Value::Other)]);
        assert_eq!(object(b"{}", 0), Ok(vec![]));
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for json in [
            &b""[..],
            b" ",
            b"null",
            b"[]",
            b"\"a\"",
            b"1",
            b"{",
            b"{}{}",
            b"{} x",
            b"{\"a\":1,}",
            b"{a:1}",
            b"{'a':1}",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\xff\"}",
            b"{\"\xff\":1}",
            br#"{"a":"\ud800"}"#,
            b"{\"a\":\"\x00\"}",
            b"{\"a\":01}",
            b"{\"a\":+1}",
            b"{\"a\":.5}",
            b"{\"a\":NaN}",
            b"{\"a\":Infinity}",
            b"{\"a\":1e999}",
            b"{}\0",
            b"/**/{}",
        ] {
            assert_eq!(object(json, 1), Err(JsonFault::Syntax), "{}", json.escape_ascii());
        }
    }

    #[test]
    fn a_name_comes_once_at_every_depth_however_it_is_spelt() {
        for json in [
            r#"{"alg":1,"alg":1}"#,
            r#"{"alg":1,"x":2,"\u0061lg":1}"#,
            r#"{"\u0061\u006Cg":1,"al\u0067":1}"#,
            r#"{"":1,"":1}"#,
            r#"{"é":1,"\u00e9":1}"#,
            r#"{"😀":1,"\ud83d\ude00":1}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":[[[[{"b":1,"b":1}]]]]}"#,
            r#"{"a":{"b":{"c":{"d":1,"d":1}}}}"#,
        ] {
            assert_eq!(object(json.as_bytes(), 0), Err(JsonFault::Duplicate), "{json}");
            assert_eq!(object(json.as_bytes(), 9), Err(JsonFault::Duplicate), "{json}");
        }
        for json in [r#"{"a":1,"A":1,"á":1,"a\u0301":1}"#, r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}"#] {
            assert!(object(json.as_bytes(), 0).is_ok(), "{json}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize, open: &str, close: &str| -> String {
            format!("{{\"a\":{}1{}}}", open.repeat(depth - 1), close.repeat(depth - 1))
        };
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            assert!(object(nested(16, open, close).as_bytes(), 1).is_ok());
            assert_eq!(object(nested(17, open, close).as_bytes(), 1), Err(JsonFault::Deep));
            assert_eq!(object(nested(3000, open, close).as_bytes(), 1), Err(JsonFault::Deep));
        }
    }
}
