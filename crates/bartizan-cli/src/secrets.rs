//! Secrets that the policy refers to, read once at start.

use std::{
    env, fmt, fs,
    io::{self, Read as _},
};

use bartizan_core::policy::{Policy, SecretProvider, SecretRef};
use bartizan_store::StoreOptions;
use secrecy::{ExposeSecret as _, SecretString};

use crate::terminal;

/// No secret of a policy is longer; what is, is some other file.
const LONGEST: usize = 64 << 10;

/// What the policy's references stand for.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// `server.upstream_token`
    pub(crate) upstream_token: Option<SecretString>,
    /// `jwt.trusted_issuer[…].ca`, one for each issuer
    pub(crate) issuer_authorities: Vec<Option<SecretString>>,
    /// What the store is opened with.
    pub(crate) store: StoreSecrets,
    /// `store.master_key`
    pub(crate) master_key: Option<SecretString>,
    /// `store.previous_master_keys`
    pub(crate) previous_master_keys: Vec<SecretString>,
}

/// What a store is opened with.
#[derive(Debug, Default)]
pub(crate) struct StoreSecrets {
    /// `store.password`
    password: Option<SecretString>,
    /// `store.ca`
    ca: Option<SecretString>,
}

impl StoreSecrets {
    /// Reads them alone: whoever looks into a store needs no other.
    pub(crate) fn read(policy: &Policy, development: bool) -> Result<Self, MissingSecrets> {
        let mut reader = Reader { development, missing: Vec::new() };
        let secrets = Self::read_with(&mut reader, policy);
        reader.finish(secrets)
    }

    fn read_with(reader: &mut Reader, policy: &Policy) -> Self {
        let Some(store) = &policy.store else { return Self::default() };
        Self {
            password: reader.read("store.password", store.password.as_ref()),
            ca: reader.read("store.ca", store.ca.as_ref()),
        }
    }

    /// The store of `policy`, with them. `None` where it needs none.
    pub(crate) fn options(self, policy: &Policy) -> Option<StoreOptions> {
        let mut options = StoreOptions::of(policy)?;
        if let Some(password) = self.password {
            options = options.password(password);
        }
        if let Some(ca) = self.ca {
            options = options.root_certificates(ca.expose_secret().as_bytes().to_vec());
        }
        Some(options)
    }
}

/// Secrets that cannot be had. Nothing of their values is in it.
#[derive(Debug, thiserror::Error)]
#[error("{}", list(.0))]
pub(crate) struct MissingSecrets(Vec<Missing>);

/// A secret that cannot be had.
#[derive(Debug)]
struct Missing {
    /// Where in the policy: `server.upstream_token`.
    path: String,
    /// The reference, as written.
    reference: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Unset,
    NotText,
    File(io::Error),
    Empty,
    TooLong,
    Scheme(&'static str),
    Literal,
}

impl Secrets {
    /// Reads all of them, or says all that are missing.
    pub(crate) fn read(policy: &Policy, development: bool) -> Result<Self, MissingSecrets> {
        let mut reader = Reader { development, missing: Vec::new() };
        let upstream_token = reader.read("server.upstream_token", policy.server.upstream_token.as_ref());
        let issuers = policy.jwt.iter().flat_map(|jwt| &jwt.trusted_issuer).enumerate();
        let authorities = issuers.map(|(index, issuer)| {
            reader.read(&format!("jwt.trusted_issuer[{index}].ca"), issuer.ca.as_ref())
        });
        let issuer_authorities = authorities.collect();
        let secrets = Self { upstream_token, issuer_authorities, ..Self::kept(&mut reader, policy) };
        reader.finish(secrets)
    }

    /// Those of the store and the keys: whoever administers what is kept serves nobody.
    pub(crate) fn read_kept(policy: &Policy, development: bool) -> Result<Self, MissingSecrets> {
        let mut reader = Reader { development, missing: Vec::new() };
        let secrets = Self::kept(&mut reader, policy);
        reader.finish(secrets)
    }

    fn kept(reader: &mut Reader, policy: &Policy) -> Self {
        let Some(store) = &policy.store else { return Self::default() };
        let store_secrets = StoreSecrets::read_with(reader, policy);
        let master_key = reader.read("store.master_key", store.master_key.as_ref());
        let previous = store.previous_master_keys.iter().enumerate().filter_map(|(index, key)| {
            reader.read(&format!("store.previous_master_keys[{index}]"), Some(key))
        });
        let previous_master_keys = previous.collect();
        Self { store: store_secrets, master_key, previous_master_keys, ..Self::default() }
    }
}

/// Reads one after the other, and remembers what is missing.
struct Reader {
    development: bool,
    missing: Vec<Missing>,
}

impl Reader {
    fn read(&mut self, path: &str, reference: Option<&SecretRef>) -> Option<SecretString> {
        let reference = reference?;
        let missing = |why| Missing { path: path.to_owned(), reference: reference.to_string(), why };
        read(reference, self.development).map_err(|why| self.missing.push(missing(why))).ok()
    }

    fn finish<T>(self, secrets: T) -> Result<T, MissingSecrets> {
        if self.missing.is_empty() { Ok(secrets) } else { Err(MissingSecrets(self.missing)) }
    }
}

fn list(missing: &[Missing]) -> String {
    let lines: Vec<String> = missing.iter().map(ToString::to_string).collect();
    format!("{} cannot be read:\n  {}", terminal::count(missing.len(), "secret"), lines.join("\n  "))
}

fn read(reference: &SecretRef, development: bool) -> Result<SecretString, Why> {
    let name = reference.name().unwrap_or_default();
    let mut text = match reference.provider() {
        SecretProvider::Env => env::var(name).map_err(|error| match error {
            env::VarError::NotPresent => Why::Unset,
            env::VarError::NotUnicode(_) => Why::NotText,
        })?,
        SecretProvider::File => {
            let mut text = String::new();
            let file = fs::File::open(name).map_err(Why::File)?;
            // One byte more than may be, to see that it is too long.
            file.take(LONGEST as u64 + 1).read_to_string(&mut text).map_err(Why::File)?;
            // Editors and `echo` end a file with a line feed that is not part of the secret.
            let end = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text).len());
            text.truncate(end.unwrap_or(text.len()));
            text
        }
        SecretProvider::Literal if development => reference.expose_literal().unwrap_or_default().to_owned(),
        SecretProvider::Literal => return Err(Why::Literal),
        SecretProvider::AwsSecretsManager => return Err(Why::Scheme("aws-sm://")),
        SecretProvider::GcpSecretManager => return Err(Why::Scheme("gcp-sm://")),
        SecretProvider::Vault => return Err(Why::Scheme("vault://")),
        _ => return Err(Why::Scheme("such")),
    };
    if text.is_empty() {
        return Err(Why::Empty);
    }
    if text.len() > LONGEST {
        return Err(Why::TooLong);
    }
    // What is handed over must not leave a longer buffer behind that nobody wipes.
    text.shrink_to_fit();
    Ok(SecretString::from(text))
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, reference, why } = self;
        match why {
            Why::Scheme(scheme) => write!(f, "{path}: this build cannot read {scheme} references yet"),
            Why::Literal => {
                write!(f, "{path}: a secret is not written into the policy outside the development profile")
            }
            Why::Unset => write!(f, "{path}: {reference}: the environment variable is not set"),
            Why::NotText => write!(f, "{path}: {reference}: the value is not UTF-8 text"),
            Why::File(error) => write!(f, "{path}: {reference}: {error}"),
            Why::Empty => write!(f, "{path}: {reference}: the value is empty"),
            Why::TooLong => write!(f, "{path}: {reference}: the value is longer than {LONGEST} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::policy::{PolicyInput, load};

    fn value(reference: &str) -> Result<String, String> {
        let policy = Policy {
            server: bartizan_core::policy::ServerConfig {
                upstream_token: Some(SecretRef::parse(reference).unwrap()),
                ..Default::default()
            },
            ..Policy::default()
        };
        match Secrets::read(&policy, reference == "literal") {
            Ok(secrets) => Ok(secrets.upstream_token.unwrap().expose_secret().to_owned()),
            Err(MissingSecrets(missing)) => {
                Err(missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
            }
        }
    }

    #[test]
    fn a_file_loses_its_last_line_feed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        for (text, expected) in [("a b \n", "a b "), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a")] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(value(&format!("file://{}", path.display())).as_deref(), Ok(expected));
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(value(&format!("file://{}", path.display())).unwrap_err().ends_with("the value is empty"));
    }

    #[test]
    fn what_cannot_be_read_is_said_without_the_value() {
        assert_eq!(value("literal").as_deref(), Ok("literal"));
        for (reference, expected) in [
            (
                "env://BARTIZAN_TEST_UNSET",
                "server.upstream_token: env://BARTIZAN_TEST_UNSET: the environment variable is not set",
            ),
            ("aws-sm://x", "server.upstream_token: this build cannot read aws-sm:// references yet"),
            (
                "hunter2",
                "server.upstream_token: a secret is not written into the policy outside the development profile",
            ),
        ] {
            assert_eq!(value(reference).unwrap_err(), expected);
        }
        assert!(
            value("file:///nonexistent/token")
                .unwrap_err()
                .starts_with("server.upstream_token: file:///nonexistent/token: No such file")
        );
    }

    #[test]
    fn all_that_are_missing_are_said_together() {
        let input = PolicyInput {
            text: "version = 1\nserver.upstream_token = 'env://BARTIZAN_TEST_A'\n[store]\npassword = 'env://BARTIZAN_TEST_B'\n\
                   ca = 'file:///dev/null'\n\
                   master_key = 'env://BARTIZAN_TEST_C'\nprevious_master_keys = ['file:///dev/null', 'env://BARTIZAN_TEST_D']\n\
                   [jwt]\nissuer = 'i'\naudience = 'a'\n[[jwt.trusted_issuer]]\nissuer = 'https://a'\naudience = 'a'\n\
                   [[jwt.trusted_issuer]]\nissuer = 'https://b'\naudience = 'a'\nca = 'file:///dev/null'",
            ..PolicyInput::new("bartizan.toml")
        };
        let policy = load(&input).unwrap().policy;
        let all = "7 secrets cannot be read:
  server.upstream_token: env://BARTIZAN_TEST_A: the environment variable is not set
  jwt.trusted_issuer[1].ca: file:///dev/null: the value is empty
  store.password: env://BARTIZAN_TEST_B: the environment variable is not set
  store.ca: file:///dev/null: the value is empty
  store.master_key: env://BARTIZAN_TEST_C: the environment variable is not set
  store.previous_master_keys[0]: file:///dev/null: the value is empty
  store.previous_master_keys[1]: env://BARTIZAN_TEST_D: the environment variable is not set";
        assert_eq!(Secrets::read(&policy, false).unwrap_err().to_string(), all);
        let one = "2 secrets cannot be read:
  store.password: env://BARTIZAN_TEST_B: the environment variable is not set
  store.ca: file:///dev/null: the value is empty";
        assert_eq!(StoreSecrets::read(&policy, false).unwrap_err().to_string(), one);
    }
}
