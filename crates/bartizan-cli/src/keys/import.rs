//! `bartizan keys import`: a key that others know is taken over.

use std::{
    env,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use bartizan::{
    OsClock,
    jwt::{ImportedKey, KeyRing},
};
use bartizan_core::{
    Clock as _, Timestamp,
    key_ring::{ImportUse, KeyUse, Ring, Settings, State},
};
use zeroize::Zeroizing;

use super::{KeysError, issuers};
use crate::{
    Outcome,
    arguments::KeysImportArguments,
    deployment::{Deployment, Kept},
    failure::Failure,
    terminal::{self, printable},
    when::{ahead, minute},
};

/// No key is longer; what is, is some other file.
const LONGEST: usize = 64 << 10;

/// Takes it over.
pub(super) fn run(arguments: &KeysImportArguments) -> Result<Outcome, Failure> {
    let Some(found) = Deployment::find(&arguments.policy, Kept::Keys)? else { return Ok(Outcome::Faults) };
    let settings = issuers(&found.loaded)?.ring().clone();
    // Before anything is made.
    let key = read(arguments)?;
    let now = OsClock.now();
    let until = arguments.span.map(|span| now.after(span)).or(arguments.until);
    if until.is_none() && !key.is_private() {
        return Err(KeysError::PublicKey(arguments.file.display().to_string()).into());
    }
    let import_use = until.map_or(ImportUse::Signs, |until| ImportUse::Verifies { until });
    let algorithm = key.algorithm();
    // An application that moves here may bring its key before anything has run.
    let deployment = found.open_or_make()?;
    let keys = deployment.keys()?;
    // Into an empty ring a key must come before those that are made for it.
    let ring = KeyRing::unread(deployment.store.store().clone(), keys, settings);
    let kid = deployment.wait_for(ring.import(key, import_use, now)).map_err(KeysError::from)?;
    let told = told(&kid, &ring.ring(), ring.settings(), now);
    drop(ring);
    deployment.close();
    let legacy = if arguments.legacy { ", for tokens that may lack kid, iss and aud" } else { "" };
    terminal::print(&format!("{} ({algorithm}) is imported{legacy}; {told}\n", printable(&kid)))?;
    Ok(Outcome::Fine)
}

fn told(kid: &str, ring: &Ring, settings: &Settings, now: Timestamp) -> String {
    let Some(key) = ring.key(kid) else { return "another node has removed it already".into() };
    let Some(window) = key.window() else {
        let KeyUse::Verifies { until } = key.key_use() else { return "it never signs".into() };
        return format!(
            "it verifies tokens that end until {} ({}), and never signs",
            minute(until),
            ahead(until, now)
        );
    };
    match key.state(ring.longest_token(), settings, now) {
        State::Active => "it signs now".into(),
        _ => format!("it is to sign from {} ({})", minute(window.from), ahead(window.from, now)),
    }
}

/// The key, whatever its form.
fn read(arguments: &KeysImportArguments) -> Result<ImportedKey, KeysError> {
    let file = arguments.file.display().to_string();
    let bytes = bytes(arguments)?;
    let key = if arguments.secret {
        ImportedKey::from_secret(&bytes)
    } else if bytes.trim_ascii_start().starts_with(b"-----BEGIN ") {
        ImportedKey::from_pem(&bytes)
    } else if bytes.trim_ascii_start().starts_with(b"{") {
        ImportedKey::from_jwk(&bytes)
    } else {
        return Err(KeysError::NoForm(file));
    };
    let key = key.map_err(|fault| KeysError::Import { file, fault })?;
    let key = match &arguments.kid {
        Some(kid) => key.named(kid.as_str()),
        None => key,
    };
    Ok(if arguments.legacy { key.with_legacy_tokens() } else { key })
}

fn bytes(arguments: &KeysImportArguments) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let path = arguments.file.as_path();
    let reference = path.to_str().filter(|_| arguments.secret);
    if let Some(name) = reference.and_then(|text| text.strip_prefix("env://")) {
        let value = env::var(name).map_err(|error| KeysError::Secret(format!("env://{name}: {error}")))?;
        return Ok(Zeroizing::new(value.into_bytes()));
    }
    let path = reference.and_then(|text| text.strip_prefix("file://")).map_or(path, Path::new);
    let failed = |error| KeysError::Read { file: path.display().to_string(), error };
    // Never moved as it grows, so that no copy of it is left behind. One byte more than may be, to see that it is too long.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    let most = LONGEST as u64 + 1;
    if path == Path::new("-") {
        io::stdin().take(most).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        File::open(path).map_err(failed)?.take(most).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() > LONGEST {
        return Err(KeysError::Long(path.to_owned()));
    }
    if arguments.secret {
        // Editors and `echo` end a file with a line feed that is not part of the secret.
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command, KeysCommand};
    use clap::Parser as _;

    fn secret(file: &Path) -> Vec<u8> {
        let arguments = ["bartizan", "keys", "import", "--secret", file.to_str().unwrap()];
        let Command::Keys(keys) = Arguments::try_parse_from(arguments).unwrap().command else { panic!() };
        let KeysCommand::Import(import) = keys.command else { panic!() };
        bytes(&import).unwrap().to_vec()
    }

    #[test]
    fn a_secrets_last_line_feed_is_not_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        for (text, expected) in [("a b \n", "a b "), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a")] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(secret(&file), expected.as_bytes());
        }
    }
}
