//! Secrets that the policy refers to, read once at start.

use std::{
    env, fmt, fs,
    io::{self, Read as _},
};

use bartizan_core::policy::{Policy, SecretProvider, SecretRef};
use secrecy::SecretString;

/// No secret of a policy is longer; what is, is some other file.
const LONGEST: usize = 64 << 10;

/// What the policy's references stand for.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// `server.upstream_token`
    pub(crate) upstream_token: Option<SecretString>,
}

/// A secret that cannot be had. Nothing of its value is in it.
#[derive(Debug)]
pub(crate) struct Missing {
    /// Where in the policy: `server.upstream_token`.
    path: &'static str,
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
    pub(super) fn read(policy: &Policy, development: bool) -> Result<Self, Vec<Missing>> {
        let mut missing = Vec::new();
        let mut secrets = Self::default();
        let wanted = [("server.upstream_token", &policy.server.upstream_token, &mut secrets.upstream_token)];
        for (path, reference, place) in wanted {
            let Some(reference) = reference else { continue };
            match read(reference, development) {
                Ok(secret) => *place = Some(secret),
                Err(why) => missing.push(Missing { path, reference: reference.to_string(), why }),
            }
        }
        if missing.is_empty() { Ok(secrets) } else { Err(missing) }
    }
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
    use secrecy::ExposeSecret as _;

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
            Err(missing) => Err(missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
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
}
