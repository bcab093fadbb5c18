//! The policy file: whatever the text, it is read or refused with located errors, twice in the same way.

#![no_main]

use bartizan_core::{
    Deployment,
    policy::{Diagnostic, Document, PolicyInput, load, load_and_build},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // Half of the texts in development, where more is allowed.
    let profile = (text.len() % 2 == 1).then_some("development");
    let env = |name: &str| name.len().is_multiple_of(2).then(|| format!("{name}=${{env:AB}}$$"));
    let input = PolicyInput { text, profile, env: &env, ..PolicyInput::new("fuzz.toml") };
    let read = load(&input);
    if let Err(errors) = &read {
        assert!(!check(errors, text).is_empty(), "refused without an error");
    }
    let first = outcome(read);
    assert_eq!(first, outcome(load(&input)), "reading twice gives two answers");
    let deployment = Deployment { development: profile.is_some(), ..Deployment::default() };
    let built = load_and_build(&input, |_| Ok(deployment));
    match built {
        // What cannot be read cannot be built.
        Ok(_) => assert_eq!(first, Ok(()), "an engine came out of a file with errors"),
        Err(errors) => assert!(!check(&errors, text).is_empty(), "refused without an error"),
    }
});

fn outcome(result: Result<Document, Vec<Diagnostic>>) -> Result<(), Vec<String>> {
    result.map(|_| ()).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// Errors point into the file.
fn check<'e>(errors: &'e [Diagnostic], text: &str) -> &'e [Diagnostic] {
    for error in errors {
        assert!(!error.message.is_empty() && !error.code.is_empty());
        if let Some(location) = &error.location {
            assert!(location.line >= 1 && location.column >= 1, "{error}");
            let (start, len) = (location.offset, location.len);
            assert!(start + len <= text.len(), "{error}: {start}+{len} in {}", text.len());
            assert!(text.is_char_boundary(start) && text.is_char_boundary(start + len), "{error}");
        }
    }
    errors
}
