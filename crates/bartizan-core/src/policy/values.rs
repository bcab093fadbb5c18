//! Scalars of the policy file: durations, sizes, references to secrets.

use alloc::{borrow::ToOwned as _, boxed::Box, string::String};
use core::fmt;

use thiserror::Error;

/// A scalar of the policy file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidValue {
    /// Not a number with a unit of time.
    #[error(
        "`{0}` is not a duration: write a whole number with a unit, such as \"30s\", \"5m\", \"12h\" or \"7d\""
    )]
    Duration(String),
    /// Not a number with a unit of size.
    #[error(
        "`{0}` is not a size: write a whole number with a unit, such as \"512B\", \"64KiB\" or \"10MiB\""
    )]
    ByteSize(String),
    /// A reference that lacks its name or path.
    #[error(
        "the secret reference `{0}` names nothing: write a reference such as \"env://NAME\" or \"file:///path\""
    )]
    SecretUnnamed(String),
    /// Not a place where state can be kept.
    #[error(
        "`{0}` is not a place to keep state: write \"memory:\", \"sqlite:PATH\", \"postgres://user@host/database\" or \"redis://host:6379/0\", without options"
    )]
    StoreUrl(String),
    /// A password in a store's URL.
    #[error(
        "there is a password in this URL: take it out, and write `password = \"env://NAME\"` or `password = \"file:///path\"` beside `url`"
    )]
    StorePassword,
}

/// A span of time, written `"30s"`, `"5m"`, `"12h"`, `"7d"`; `"250ms"` where a fraction of a second matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub core::time::Duration);

impl Duration {
    /// Reads `text`.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let invalid = || InvalidValue::Duration(text.to_owned());
        let (number, unit) = split_unit(text).ok_or_else(invalid)?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(invalid()),
        };
        number.checked_mul(millis).map(core::time::Duration::from_millis).map(Self).ok_or_else(invalid)
    }
}

/// A number of bytes, written `"512B"`, `"64KiB"`, `"10MiB"`, `"1GiB"` (or `"10MB"` for millions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// Reads `text`.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let invalid = || InvalidValue::ByteSize(text.to_owned());
        let (number, unit) = split_unit(text).ok_or_else(invalid)?;
        let factor = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            _ => return Err(invalid()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(invalid)
    }
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

/// Where a secret is to be found.
///
/// `env://NAME`, `file:///path`, `aws-sm://name?stage=AWSPREVIOUS#key`,
/// `gcp-sm://projects/P/secrets/NAME?version=latest#key`, `vault://mount/path#key`. A literal is kept too, for
/// the development profile alone (everywhere else [`crate::Engine::build`] refuses it), and is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretRef {
    provider: SecretProvider,
    text: Box<str>,
}

/// Who keeps a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SecretProvider {
    /// The policy itself: only in the development profile.
    Literal,
    /// An environment variable.
    Env,
    /// A file.
    File,
    /// AWS Secrets Manager.
    AwsSecretsManager,
    /// Google Cloud Secret Manager.
    GcpSecretManager,
    /// `HashiCorp` Vault, or `OpenBao`.
    Vault,
}

impl SecretProvider {
    const SCHEMES: [(&'static str, Self); 5] = [
        ("env://", Self::Env),
        ("file://", Self::File),
        ("aws-sm://", Self::AwsSecretsManager),
        ("gcp-sm://", Self::GcpSecretManager),
        ("vault://", Self::Vault),
    ];
}

impl SecretRef {
    /// Reads a reference, or a literal.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let (scheme, provider) = SecretProvider::SCHEMES
            .into_iter()
            .find(|(scheme, _)| text.starts_with(scheme))
            .unwrap_or(("", SecretProvider::Literal));
        if text.len() == scheme.len() {
            return Err(InvalidValue::SecretUnnamed(text.to_owned()));
        }
        Ok(Self { provider, text: text.into() })
    }

    /// Who keeps it.
    pub const fn provider(&self) -> SecretProvider {
        self.provider
    }

    /// What stands behind the scheme: `NAME`, `/path`. `None` for a literal.
    pub fn name(&self) -> Option<&str> {
        match self.provider {
            SecretProvider::Literal => None,
            _ => self.text.split_once("://").map(|(_, name)| name),
        }
    }

    /// The literal, where a person wrote one into the development profile.
    pub fn expose_literal(&self) -> Option<&str> {
        (self.provider == SecretProvider::Literal).then_some(&*self.text)
    }
}

impl fmt::Display for SecretRef {
    /// The reference as written; `[literal]` for a literal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.provider == SecretProvider::Literal { "[literal]" } else { &self.text })
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretRef({self})")
    }
}

/// serde and schema for a scalar that is written as a string.
macro_rules! written_as_string {
    ($type:ident, $expected:literal, $pattern:literal, $description:literal) => {
        impl $type {
            /// What the type is called in serde's data model.
            pub(in crate::policy) const NAME: &'static str = stringify!($type);
        }

        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Written;
                impl<'de> ::serde::de::Visitor<'de> for Written {
                    type Value = $type;
                    fn expecting(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_newtype_struct<D: ::serde::Deserializer<'de>>(self, inner: D) -> Result<$type, D::Error> {
                        inner.deserialize_str(self)
                    }
                    fn visit_str<E: ::serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        $type::parse(text).map_err(E::custom)
                    }
                }
                // Named, so that the loader knows a secret by its type.
                deserializer.deserialize_newtype_struct(Self::NAME, Written)
            }
        }

        impl ::schemars::JsonSchema for $type {
            fn schema_name() -> ::alloc::borrow::Cow<'static, str> {
                Self::NAME.into()
            }
            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                ::schemars::json_schema!({ "type": "string", "pattern": $pattern, "description": $description })
            }
        }
    };
}

written_as_string!(
    Duration,
    "a duration such as \"30s\"",
    "^[0-9]+ *(ms|s|m|min|h|d)$|\\$\\{env:",
    "A duration: \"30s\", \"5m\", \"12h\", \"7d\"."
);
written_as_string!(
    ByteSize,
    "a size such as \"10MiB\"",
    "^[0-9]+ *(B|KiB|MiB|GiB|kB|KB|MB|GB)$|\\$\\{env:",
    "A size: \"512B\", \"64KiB\", \"10MiB\"."
);
written_as_string!(
    SecretRef,
    "a reference to a secret such as \"env://NAME\"",
    "^(env|file|aws-sm|gcp-sm|vault)://.+$|\\$\\{env:",
    "A reference to a secret: \"env://NAME\", \"file:///path\". Never the secret itself."
);

pub(super) use written_as_string;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use core::time::Duration as Std;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("30s", Some(Std::from_secs(30))),
            ("250ms", Some(Std::from_millis(250))),
            ("5m", Some(Std::from_mins(5))),
            ("12h", Some(Std::from_hours(12))),
            ("7 d", Some(Std::from_hours(168))),
            ("30", None),
            ("-1s", None),
            ("1.5h", None),
            ("99999999999999999d", None),
            ("", None),
        ] {
            assert_eq!(Duration::parse(text).ok().map(|d| d.0), expected, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("512B", Some(512)),
            ("64KiB", Some(65_536)),
            ("10MB", Some(10_000_000)),
            ("10", None),
            ("9EiB", None),
        ] {
            assert_eq!(ByteSize::parse(text).ok().map(|size| size.0), expected, "{text}");
        }
    }

    #[test]
    fn a_literal_secret_is_never_shown() {
        let literal = SecretRef::parse("hunter2").unwrap();
        assert_eq!(literal.provider(), SecretProvider::Literal);
        assert!(!format!("{literal}{literal:?}").contains("hunter2"));
        assert_eq!(literal.expose_literal(), Some("hunter2"));
        assert_eq!(SecretRef::parse("env://").unwrap_err(), InvalidValue::SecretUnnamed("env://".into()));
        let reference = SecretRef::parse("aws-sm://prod/db?stage=AWSPREVIOUS#password").unwrap();
        assert_eq!(reference.provider(), SecretProvider::AwsSecretsManager);
        assert_eq!(reference.name(), Some("prod/db?stage=AWSPREVIOUS#password"));
        assert_eq!(reference.expose_literal(), None);
    }
}
