//! From a file on disk to a layer, or to everything that is wrong with the file.

use std::{fs, path::PathBuf};

use bartizan::{BartizanLayer, PolicyFile, PolicyFileError, keys::Keys};

fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bartizan.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn a_policy_gives_a_layer() {
    let (_folder, path) = written("version = 1\n[origin]\npublic = ['https://api.example.com']");
    assert!(BartizanLayer::from_policy_file(&path).is_ok());
}

#[test]
fn the_profile_is_chosen_by_name() {
    let (_folder, path) = written(
        "version = 1\n[origin]\npublic = ['https://api.example.com']\n\
         [profile.development]\norigin.public = ['http://api.test']",
    );
    assert!(PolicyFile::new(&path).profile("development").load().is_ok());
    assert!(PolicyFile::new(&path).profile("production").load().is_ok());
    let unknown = PolicyFile::new(&path).profile("staging").load().unwrap_err();
    assert!(unknown.to_string().contains("staging"), "{unknown}");
}

#[test]
fn api_keys_need_keys() {
    let (_folder, path) = written(
        "version = 1\norigin.public = ['http://localhost']\ndefault.require = 'api-key'\n[api_keys]\nprefix = 'acme'\n",
    );
    let error = PolicyFile::new(&path).load().unwrap_err().to_string();
    assert!(error.contains("PolicyFile::keys") && error.contains("openssl rand -base64 48"), "{error}");
    let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
    let engine = PolicyFile::new(&path).keys(keys).load().unwrap();
    assert_eq!(engine.api_keys().unwrap().prefix.as_str(), "acme");
}

#[test]
fn all_faults_are_told_with_their_places() {
    let (_folder, path) = written(
        "version = 1\n[origin]\npublic = ['https//api.example.com']\n[cors]\nmax_age = 'long'\n[csrf]\nmod = 'off'\n",
    );
    let error = PolicyFile::new(&path).load().unwrap_err();
    let text = error.to_string();
    for place in [
        "bartizan.toml:3:11: origin.public[0]",
        "bartizan.toml:5:11: cors.max_age",
        "bartizan.toml:7:1: csrf.mod",
    ] {
        assert!(text.contains(place), "{place} in {text}");
    }
    assert!(text.starts_with("the policy has 3 faults"), "{text}");
    let PolicyFileError::Faulty(faults) = error else { panic!("{text}") };
    assert_eq!((faults.path(), faults.diagnostics().len()), (&*path, 3));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = PolicyFile::new("/nowhere/bartizan.toml").load().unwrap_err();
    assert_eq!(error.to_string(), "cannot read the policy /nowhere/bartizan.toml");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_master_key_is_read_where_the_policy_says() {
    const KEY: &str = "0123456789abcdef0123456789abcdef";
    let folder = tempfile::tempdir().unwrap();
    let (good, short, long) =
        (folder.path().join("good"), folder.path().join("short"), folder.path().join("long"));
    fs::write(&good, format!("{KEY}\n")).unwrap();
    fs::write(&short, "hunter2").unwrap();
    fs::write(&long, KEY.repeat(200)).unwrap();
    let reference = |path: &PathBuf| format!("file://{}", path.display());
    let (good, short, long) = (reference(&good), reference(&short), reference(&long));
    for (profile, store, expected) in [
        (None, "", None),
        (None, "store.url = 'memory:'", None),
        (None, &*format!("store.master_key = '{good}'"), None),
        // The tests' runner sets it, and it is long enough.
        (None, "store.master_key = 'env://CARGO_PKG_DESCRIPTION'", None),
        (Some("development"), &format!("store.master_key = '{KEY}'"), None),
        (
            None,
            "store.master_key = 'env://BARTIZAN_TEST_UNSET'",
            Some("store.master_key: env://BARTIZAN_TEST_UNSET: the environment variable is not set"),
        ),
        (None, "store.master_key = 'vault://kv/key#it'", Some("`PolicyFile::keys`")),
        (None, &format!("store.master_key = '{short}'"), Some("the master key has 7 bytes")),
        (None, &format!("store.master_key = '{long}'"), Some("the value is longer than 4096 bytes")),
        (
            None,
            &format!("store = {{ master_key = '{good}', previous_master_keys = ['{good}', '{short}'] }}"),
            Some("store.previous_master_keys[1]: "),
        ),
        (
            None,
            &format!("store = {{ master_key = '{good}', previous_master_keys = ['file:///nowhere/key'] }}"),
            Some("store.previous_master_keys[0]: file:///nowhere/key: "),
        ),
        (None, &format!("store.master_key = '{KEY}'"), Some("policy.secret-literal")),
    ] {
        let (_folder, path) = written(&format!(
            "version = 1\norigin.public = ['https://api.example.com']\n{store}\n[profile.development]"
        ));
        let file = PolicyFile::new(&path);
        let file = if let Some(profile) = profile { file.profile(profile) } else { file };
        let told = file.load().err().map(|error| format!("{error} {error:?}"));
        match (&told, expected) {
            (None, None) => {}
            (Some(told), Some(expected)) => assert!(told.contains(expected), "{store}: {told}"),
            other => panic!("{store}: {other:?}"),
        }
        let told = told.unwrap_or_default();
        assert!(!told.contains("hunter2") && !told.contains(KEY), "{told}");
    }
}

#[test]
fn keys_that_the_application_fetched_are_taken_before_the_policys() {
    let (_folder, path) = written(
        "version = 1\norigin.public = ['https://api.example.com']\nstore.master_key = 'vault://kv/key#it'",
    );
    let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
    assert!(PolicyFile::new(&path).keys(keys).load().is_ok());
    assert!(matches!(PolicyFile::new(&path).load(), Err(PolicyFileError::MasterKey(_))));
}
