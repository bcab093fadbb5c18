//! What is written about rate limits and the protection of logins.

use core::fmt;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{
        self, MapAccess, Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
};

use super::{Duration, Mode};

/// `[rate_limit]`. Nothing is limited that is not written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimitConfig {
    /// `off`, `report` or `enforce`.
    pub mode: Option<Mode>,
    /// `local`: each process counts by itself. `shared`: all that use one store count together.
    pub store: LimitStore,
    /// How much may come from one address (of an IPv6 address: from its /64).
    pub address: Option<LimitConfig>,
    /// How much may come from one principal, once a credential has said who it is.
    pub principal: Option<LimitConfig>,
    /// How many requests a credential that is not valid counts as, besides the one that it came with; 5.
    pub failure_cost: Option<u16>,
}

/// How much may come: `{ limit = 600, per = "1m", burst = 100 }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitConfig {
    /// So many
    pub limit: u32,
    /// in every such span,
    pub per: Duration,
    /// of which so many may come at once; all of them where nothing is written.
    #[serde(default)]
    pub burst: Option<u32>,
}

/// Who counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LimitStore {
    /// Each process by itself.
    #[default]
    Local,
    /// All that use one store together; each by itself while the store is away.
    Shared,
}

/// A route's `rate_limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum RateLimitChoice {
    /// `"off"`: nothing is counted here. `"report"` and `"enforce"` are the mode of this route.
    Mode(Mode),
    /// Rules of this route alone, in the place of those of `[rate_limit]`.
    Rules(RouteLimitConfig),
}

/// The rules of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteLimitConfig {
    /// How much may come to this route from one address.
    pub address: Option<LimitConfig>,
    /// How much may come to this route from one principal.
    pub principal: Option<LimitConfig>,
}

/// By hand, for the same reason as [`RequireConfig`](super::RequireConfig).
impl<'de> Deserialize<'de> for RateLimitChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;
        impl<'de> Visitor<'de> for Choice {
            type Value = RateLimitChoice;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"off\", or rules such as `{ address = { limit = 10, per = \"1m\" } }`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<RateLimitChoice, E> {
                Mode::deserialize(StrDeserializer::new(word)).map(RateLimitChoice::Mode)
            }
            fn visit_map<A: MapAccess<'de>>(self, keys: A) -> Result<RateLimitChoice, A::Error> {
                RouteLimitConfig::deserialize(MapAccessDeserializer::new(keys)).map(RateLimitChoice::Rules)
            }
        }
        deserializer.deserialize_any(Choice)
    }
}

/// `[session.login_protection]`: how often a login may fail.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoginProtectionConfig {
    /// `off`, `report` or `enforce`.
    pub mode: Option<Mode>,
    /// How many logins may fail from one address; 20 in 15 min.
    pub address: Option<LimitConfig>,
    /// How many logins to one account may fail from one address; 5 in 15 min.
    pub account: Option<LimitConfig>,
    /// How long an answer about an account is put off at most, when logins to it fail from wherever; 8 s.
    pub longest_delay: Option<Duration>,
}
