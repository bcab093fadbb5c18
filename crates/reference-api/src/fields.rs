//! The fields of a request, read one by one, with all that is wrong with them told at once.
//!
//! A deserialiser stops at the first mistake, and takes what nobody asked for. This reads what is named, says of each
//! field what it has to be, and refuses the rest: what a client believes that it has set is set, or the request fails.

use std::{borrow::Cow, collections::BTreeMap, fmt, ops::RangeInclusive};

use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use crate::problem::{FieldError, Problem};

/// What a request is read into.
pub(crate) trait FromFields: Sized {
    /// Reads its fields; `None` where one of them is not right, of which `fields` has taken note.
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// The fields of a body, a form or a query.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    values: BTreeMap<String, Value>,
    /// Numbers and the like stand in text: there is nothing else in a form.
    is_text: bool,
    errors: Vec<FieldError>,
}

/// Which characters a text may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    /// No control characters: a name.
    Line,
    /// Line breaks and tabs too: a comment.
    Lines,
    /// Any: whoever reads it looks at each himself.
    Any,
}

impl Fields {
    /// Of a JSON object. Anything else has no fields.
    pub(crate) fn of_json(text: &[u8]) -> Result<Self, Problem> {
        let Members(members) = serde_json::from_slice(text).map_err(|error| {
            if error.is_data() {
                return Problem::malformed("The body has to be a JSON object.");
            }
            // Where, and not what: the text may be a password.
            Problem::malformed(format!(
                "The body is no JSON: line {}, column {}.",
                error.line(),
                error.column()
            ))
        })?;
        Ok(Self::of(members, false))
    }

    /// Of a form or a query, which are written the same way (WHATWG URL §5.1).
    pub(crate) fn of_form(text: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(text).into_owned();
        let mut fields = Self::of(pairs.map(|(name, value)| (name, value.into())), true);
        // What is no UTF-8 is read as this character, and would be kept as something that nobody has sent.
        let is_replaced = |value: &Value| value.as_str().is_some_and(|text| text.contains('\u{fffd}'));
        let replaced =
            fields.values.iter().find(|(_, value)| is_replaced(value)).map(|(name, _)| name.clone());
        if let Some(name) = replaced {
            fields.wrong(name, "has to be UTF-8");
        }
        fields
    }

    fn of(pairs: impl IntoIterator<Item = (String, Value)>, is_text: bool) -> Self {
        let mut fields = Self { is_text, ..Self::default() };
        for (name, value) in pairs {
            if fields.values.insert(name.clone(), value).is_some() {
                // Of two readers one takes the first, the other the last.
                fields.wrong(name, "stands there more than once");
            }
        }
        fields
    }

    /// Reads `T`, and refuses what it did not ask for.
    pub(crate) fn into<T: FromFields>(mut self) -> Result<T, Problem> {
        let read = T::read(&mut self);
        for name in std::mem::take(&mut self.values).into_keys() {
            let name: String = name.chars().filter(|char| !char.is_control()).take(64).collect();
            self.wrong(name, "is no field of this request");
        }
        match read {
            Some(read) if self.errors.is_empty() => Ok(read),
            _ => Err(Problem::fields(self.errors)),
        }
    }

    /// Notes what is wrong with a field.
    pub(crate) fn wrong(
        &mut self,
        field: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) {
        self.errors.push(FieldError { field: field.into(), message: message.into() });
    }

    /// Takes a field away that others have read.
    pub(crate) fn ignore(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// Whether there is such a field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.is_null())
    }

    /// A text of so many characters.
    pub(crate) fn text(
        &mut self,
        name: &'static str,
        kind: Text,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        let text = match self.values.remove(name) {
            Some(Value::String(text)) => text,
            Some(Value::Null) | None => return self.refuse(name, "is missing"),
            Some(_) => return self.refuse(name, "has to be a text"),
        };
        if !length.contains(&text.chars().count()) {
            let (least, most) = length.into_inner();
            return self.refuse(name, format!("has to have {least} to {most} characters"));
        }
        let is_allowed = |char: char| match kind {
            Text::Line => false,
            Text::Lines => matches!(char, '\n' | '\r' | '\t'),
            Text::Any => true,
        };
        if text.chars().any(|char| char.is_control() && !is_allowed(char)) {
            return self.refuse(name, "has control characters, which it may not have");
        }
        Some(text)
    }

    /// The same where it may be left out.
    #[expect(clippy::option_option, reason = "whether it is right, and whether it is there")]
    pub(crate) fn optional_text(
        &mut self,
        name: &'static str,
        kind: Text,
        length: RangeInclusive<usize>,
    ) -> Option<Option<String>> {
        if self.is_left_out(name) { Some(None) } else { self.text(name, kind, length).map(Some) }
    }

    /// A secret text. Its characters are its owner's business.
    pub(crate) fn secret(&mut self, name: &'static str, most: usize) -> Option<SecretString> {
        match self.values.remove(name) {
            Some(Value::String(text)) if (1..=most).contains(&text.len()) => Some(text.into()),
            Some(Value::String(_)) => self.refuse(name, format!("has to have 1 to {most} bytes")),
            Some(Value::Null) | None => self.refuse(name, "is missing"),
            Some(_) => self.refuse(name, "has to be a text"),
        }
    }

    /// A whole number.
    pub(crate) fn integer(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let number = match self.values.remove(name) {
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) if self.is_text => text.parse().ok(),
            Some(Value::Null) | None => return self.refuse(name, "is missing"),
            Some(_) => None,
        };
        match number {
            Some(number) if range.contains(&number) => Some(number),
            _ => {
                let (least, most) = range.into_inner();
                self.refuse(name, format!("has to be a whole number from {least} to {most}"))
            }
        }
    }

    /// The same where it may be left out.
    #[expect(clippy::option_option, reason = "whether it is right, and whether it is there")]
    pub(crate) fn optional_integer(
        &mut self,
        name: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<Option<i64>> {
        if self.is_left_out(name) { Some(None) } else { self.integer(name, range).map(Some) }
    }

    /// Yes or no.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.values.remove(name) {
            Some(Value::Bool(flag)) => Some(flag),
            Some(Value::String(text)) if self.is_text && text == "true" => Some(true),
            Some(Value::String(text)) if self.is_text && text == "false" => Some(false),
            Some(Value::Null) | None => self.refuse(name, "is missing"),
            Some(_) => self.refuse(name, "has to be true or false"),
        }
    }

    /// The same where it may be left out.
    #[expect(clippy::option_option, reason = "whether it is right, and whether it is there")]
    pub(crate) fn optional_flag(&mut self, name: &'static str) -> Option<Option<bool>> {
        if self.is_left_out(name) { Some(None) } else { self.flag(name).map(Some) }
    }

    /// One of these words.
    pub(crate) fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.values.remove(name);
        let chosen = match &value {
            Some(Value::String(text)) => choices.iter().find(|(word, _)| word == text),
            Some(Value::Null) | None => return self.refuse(name, "is missing"),
            Some(_) => None,
        };
        if let Some((_, choice)) = chosen {
            return Some(*choice);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.refuse(name, format!("has to be one of: {}", words.join(", ")))
    }

    /// The same where it may be left out.
    #[expect(clippy::option_option, reason = "whether it is right, and whether it is there")]
    pub(crate) fn optional_choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&str, T)],
    ) -> Option<Option<T>> {
        if self.is_left_out(name) { Some(None) } else { self.choice(name, choices).map(Some) }
    }

    /// The same with a choice for whoever says nothing.
    pub(crate) fn choice_or<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&str, T)],
        usual: T,
    ) -> Option<T> {
        self.optional_choice(name, choices).map(|choice| choice.unwrap_or(usual))
    }

    /// Scopes: a list, or words with spaces between them (RFC 6749 §3.3). `None` within, where it is left out.
    #[expect(clippy::option_option, reason = "whether it is right, and whether it is there")]
    pub(crate) fn scopes(&mut self, name: &'static str) -> Option<Option<Vec<Box<str>>>> {
        if self.is_left_out(name) {
            return Some(None);
        }
        let scopes = match self.values.remove(name) {
            Some(Value::String(text)) => Some(text.split_ascii_whitespace().map(Into::into).collect()),
            Some(Value::Array(list)) => {
                list.iter().map(|scope| scope.as_str().map(Into::into)).collect::<Option<Vec<Box<str>>>>()
            }
            _ => None,
        };
        let is_scope = |scope: &str| {
            (1..=64).contains(&scope.len())
                && scope.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
        };
        match scopes {
            Some(scopes) if scopes.len() <= 20 && scopes.iter().all(|scope| is_scope(scope)) => {
                Some(Some(scopes))
            }
            _ => {
                self.refuse(name, "has to be a list of at most 20 scopes, or scopes with spaces between them")
            }
        }
    }

    /// Whether a field is not there, also where it is null or, in a form, left empty.
    fn is_left_out(&mut self, name: &str) -> bool {
        let is_empty = match self.values.get(name) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => self.is_text && text.is_empty(),
            Some(_) => false,
        };
        if is_empty {
            self.values.remove(name);
        }
        is_empty
    }

    fn refuse<T>(&mut self, field: &'static str, message: impl Into<Cow<'static, str>>) -> Option<T> {
        self.wrong(field, message);
        None
    }
}

/// The members of a JSON object, those of one name too, of which a [`Value`] has the last alone (RFC 8259 §4).
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfObject;

        impl<'de> Visitor<'de> for OfObject {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(OfObject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse as _;
    use http_body_util::BodyExt as _;
    use serde_json::json;

    /// A bit of everything.
    #[derive(Debug, PartialEq)]
    struct Order {
        name: String,
        note: Option<String>,
        count: i64,
        gift: bool,
        size: char,
        scopes: Option<Vec<Box<str>>>,
    }

    impl FromFields for Order {
        fn read(fields: &mut Fields) -> Option<Self> {
            let name = fields.text("name", Text::Line, 1..=5);
            let note = fields.optional_text("note", Text::Lines, 1..=20);
            let count = fields.integer("count", 1..=10);
            let gift = fields.flag("gift");
            let size = fields.choice_or("size", &[("small", 's'), ("large", 'l')], 's');
            let scopes = fields.scopes("scopes");
            Some(Self { name: name?, note: note?, count: count?, gift: gift?, size: size?, scopes: scopes? })
        }
    }

    fn order(size: char) -> Order {
        Order { name: "tea".into(), note: None, count: 3, gift: true, size, scopes: None }
    }

    async fn errors(problem: Problem) -> Vec<(String, String)> {
        let body = problem.into_response().into_body().collect().await.unwrap().to_bytes();
        let document: Value = serde_json::from_slice(&body).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let errors = document["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| (text(&error["field"]), text(&error["message"]))).collect()
    }

    #[test]
    fn json_and_forms_are_read_alike() {
        let json =
            |value: Value| Fields::of_json(value.to_string().as_bytes()).unwrap().into::<Order>().unwrap();
        let form = |text: &str| Fields::of_form(text.as_bytes()).into::<Order>().unwrap();
        assert_eq!(json(json!({ "name": "tea", "count": 3, "gift": true })), order('s'));
        assert_eq!(
            json(json!({ "name": "tea", "count": 3, "gift": true, "size": "large", "note": null })),
            order('l')
        );
        assert_eq!(form("name=tea&count=3&gift=true"), order('s'));
        assert_eq!(form("name=te%61&count=3&gift=true&size=large&note="), order('l'));
        let scopes = Some(vec!["a".into(), "b".into()]);
        let with_note = Order { scopes, note: Some("two\nlines".into()), ..order('s') };
        assert_eq!(form("name=tea&count=3&gift=true&scopes=a+b&note=two%0Alines"), with_note);
        let written =
            json!({ "name": "tea", "count": 3, "gift": true, "scopes": ["a", "b"], "note": "two\nlines" });
        assert_eq!(json(written), with_note);
    }

    #[tokio::test]
    async fn all_that_is_wrong_is_told_at_once() {
        let json = |value: Value| Fields::of_json(value.to_string().as_bytes()).unwrap();
        for (fields, expected) in [
            (json(json!({})), &[("name", "is missing"), ("count", "is missing"), ("gift", "is missing")][..]),
            (
                json(
                    json!({ "name": "a\nb", "note": 1, "count": "3", "gift": "true", "size": "XL", "scopes": "a\"b" }),
                ),
                &[
                    ("name", "has control characters, which it may not have"),
                    ("note", "has to be a text"),
                    ("count", "has to be a whole number from 1 to 10"),
                    ("gift", "has to be true or false"),
                    ("size", "has to be one of: small, large"),
                    ("scopes", "has to be a list of at most 20 scopes, or scopes with spaces between them"),
                ],
            ),
            (
                json(json!({ "name": "camomile", "count": 3.5, "gift": true, "is_admin": true })),
                &[
                    ("name", "has to have 1 to 5 characters"),
                    ("count", "has to be a whole number from 1 to 10"),
                    ("is_admin", "is no field of this request"),
                ],
            ),
            (
                Fields::of_form(b"name=tea&count=11&gift=1&count=3"),
                &[("count", "stands there more than once"), ("gift", "has to be true or false")],
            ),
            (
                Fields::of_json(br#"{ "name": "tea", "count": 1, "gift": true, "count": 10 }"#).unwrap(),
                &[("count", "stands there more than once")],
            ),
            (Fields::of_form(b"name=t%ff&count=3&gift=true"), &[("name", "has to be UTF-8")]),
        ] {
            let told = errors(fields.into::<Order>().unwrap_err()).await;
            let told: Vec<(&str, &str)> =
                told.iter().map(|(field, message)| (&**field, &**message)).collect();
            assert_eq!(told, expected);
        }
        for (text, title) in [
            (r#"["name"]"#, "The body has to be a JSON object."),
            ("1", "The body has to be a JSON object."),
            (r#"{ "name": }"#, "The body is no JSON: line 1, column 11."),
            (r#"{ "name": "tea" } {}"#, "The body is no JSON: line 1, column 19."),
        ] {
            let problem = Fields::of_json(text.as_bytes()).unwrap_err();
            let body = problem.into_response().into_body().collect().await.unwrap().to_bytes();
            let document: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(document["title"], title, "{text}");
        }
    }
}
