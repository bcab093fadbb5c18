//! What `[jwt]` may say, and what becomes of a request with a token.

use alloc::{string::ToString as _, sync::Arc, vec};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;
use crate::{
    Decision, Denial, Engine, Grant, Recording, RequestHead, Scheme, Step, Timestamp,
    jwt::{Algorithm, HmacKey, VerifySignature, VerifyingKey},
    policy::{PolicyInput, load},
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

struct Sevens;

impl Entropy for Sevens {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

fn build(jwt: &str, development: bool) -> Result<Engine, Vec<String>> {
    let text = format!(
        "version = 1\norigin.public = ['http://localhost']\n[default]\nrequire = 'jwt'\n[jwt]\n\
         issuer = 'https://api.example.com'\naudience = 'api'\n{jwt}"
    );
    let policy = load(&PolicyInput { text: &text, ..PolicyInput::new("bartizan.toml") }).unwrap().policy;
    let deployment =
        Deployment { listen: "127.0.0.1:8080".parse().ok(), development, ..Deployment::default() };
    Engine::build(&policy, &deployment).map_err(|errors| {
        errors.iter().map(|error| format!("{} {}", error.path, error.kind.code())).collect()
    })
}

#[test]
fn what_is_written_is_judged_where_it_stands() {
    let trusted = |rest: &str| format!("[[jwt.trusted_issuer]]\naudience = 'api'\n{rest}");
    let named = |rest: &str| trusted(&format!("issuer = 'https://a.example.com/t'\n{rest}"));
    for (written, faults) in [
        (String::new(), &[][..]),
        (
            "rotate_every = '7d'\ntoken_lifetime = '1h'\nleeway = '0s'\nskew = '5s'\njwks_max_age = '1h'"
                .into(),
            &[],
        ),
        ("leeway = '10m'".into(), &[]),
        ("leeway = '11m'".into(), &["jwt.leeway policy.value"]),
        ("rotate_every = '20m'".into(), &["jwt.rotate_every policy.key-ring"]),
        ("token_lifetime = '31d'".into(), &["jwt.token_lifetime policy.key-ring"]),
        (
            "token_lifetime = '0s'\njwks_max_age = '0s'\nrotate_every = '0s'\nskew = '9999d'".into(),
            &[
                "jwt.rotate_every policy.key-ring",
                "jwt.jwks_max_age policy.key-ring",
                "jwt.token_lifetime policy.key-ring",
                "jwt.skew policy.key-ring",
            ],
        ),
        (named(""), &[]),
        (named("jwks = 'https://a.example.com/keys?v=1'\nalgorithms = ['RS256']\ntypes = ['JWT']"), &[]),
        (named("jwks = 'http://127.0.0.1:9000/keys'"), &[]),
        (named("jwks = 'http://a.example.com/keys'"), &["jwt.trusted_issuer[0].jwks policy.issuer"]),
        (named("jwks = 'https://user@a.example.com/keys'"), &["jwt.trusted_issuer[0].jwks policy.issuer"]),
        (named("jwks = 'https://a.example.com/keys#1'"), &["jwt.trusted_issuer[0].jwks policy.issuer"]),
        (named("jwks = 'file:///etc/keys'"), &["jwt.trusted_issuer[0].jwks policy.issuer"]),
        (named("jwks = 'https://*.example.com/keys'"), &["jwt.trusted_issuer[0].jwks policy.issuer"]),
        (named("jwks = '/keys'"), &["jwt.trusted_issuer[0].jwks policy.issuer"]),
        (named("ca = 'file:///etc/ssl/own-ca.pem'"), &[]),
        (named("jwks = 'https://127.0.0.1/keys'\nca = 'env://CA'"), &[]),
        (
            named("jwks = 'http://127.0.0.1/keys'\nca = 'env://CA'"),
            &["jwt.trusted_issuer[0].ca policy.issuer"],
        ),
        (named("ca = 'own-ca.pem'"), &["jwt.trusted_issuer[0].ca policy.secret-literal"]),
        (
            named("algorithms = ['EdDSA', 'HS256']\ntypes = []"),
            &[
                "jwt.trusted_issuer[0].types policy.issuer",
                "jwt.trusted_issuer[0].algorithms[1] policy.issuer",
            ],
        ),
        (named("algorithms = []"), &["jwt.trusted_issuer[0].algorithms policy.issuer"]),
        (trusted("issuer = 'https://a.example.com?t=1'"), &["jwt.trusted_issuer[0].issuer policy.issuer"]),
        (trusted("issuer = 'http://a.example.com'"), &["jwt.trusted_issuer[0].issuer policy.issuer"]),
        (trusted("issuer = 'accounts.example.com'"), &["jwt.trusted_issuer[0].issuer policy.issuer"]),
        (trusted("issuer = ''"), &["jwt.trusted_issuer[0].issuer policy.issuer"]),
        (trusted("issuer = 'https://api.example.com'"), &["jwt.trusted_issuer[0].issuer policy.issuer"]),
        (
            format!("{}\n{}\n{}", named(""), trusted("issuer = 'https://b.example.com'"), named("")),
            &["jwt.trusted_issuer[2].issuer policy.issuer"],
        ),
        (
            "[[jwt.trusted_issuer]]\nissuer = 'https://a.example.com'\naudience = []".into(),
            &["jwt.trusted_issuer[0].audience policy.issuer"],
        ),
        (
            "[[jwt.trusted_issuer]]\nissuer = 'https://a.example.com'\naudience = ['a', '']".into(),
            &["jwt.trusted_issuer[0].audience[1] policy.issuer"],
        ),
    ] {
        assert_eq!(build(&written, false).map(drop).err().unwrap_or_default(), faults, "{written}");
    }
    // Without TLS, in development alone.
    assert!(build(&named("jwks = 'http://a.example.com/keys'"), true).is_ok());
    let many: Vec<_> = (0..65)
        .map(|number| format!("{{ audience = 'a', issuer = 'https://a{number}.example.com' }}"))
        .collect();
    let many = format!("trusted_issuer = [{}]", many.join(", "));
    assert_eq!(build(&many, false).map(drop).unwrap_err(), ["jwt.trusted_issuer policy.value"]);
}

#[test]
fn what_runs_is_what_is_written() {
    let engine = build(
        "leeway = '5s'\nalgorithm = 'ES256'\n\
         [[jwt.trusted_issuer]]\nissuer = 'https://a.example.com'\naudience = ['one', 'two']\n\
         [[jwt.trusted_issuer]]\nissuer = 'https://b.example.com'\naudience = 'three'\n\
         jwks = 'https://b.example.com/keys'\nalgorithms = ['RS256']\ntypes = ['JWT', 'at+jwt']\n\
         ca = 'file:///ca.pem'",
        false,
    );
    let engine = engine.unwrap();
    let issuers = engine.issuers().unwrap();
    let leeway = Duration::from_secs(5);
    let skew = Duration::from_mins(2);
    let ours = Rules { leeway, skew, ..Rules::new("https://api.example.com", "api") };
    assert_eq!((issuers.ours(), issuers.ring().algorithm()), (&ours, Algorithm::Es256));
    assert_eq!(issuers.ring().token_lifetime(), Duration::from_mins(15));
    let [one, two] = issuers.trusted() else { panic!("{issuers:?}") };
    let mut rules = Rules { leeway, ..Rules::new("https://a.example.com", "one") };
    rules.audiences.push("two".into());
    rules.algorithms = vec![Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];
    assert_eq!((one.rules(), one.keys()), (&rules, &KeySource::Metadata("https://a.example.com".into())));
    let mut rules = Rules { leeway, ..Rules::new("https://b.example.com", "three") };
    rules.algorithms = vec![Algorithm::Rs256];
    rules.types = vec!["JWT".into(), "at+jwt".into()];
    assert_eq!((two.rules(), two.keys()), (&rules, &KeySource::JwkSet("https://b.example.com/keys".into())));
    assert_eq!([one, two].map(|issuer| issuer.ca().and_then(|ca| ca.name())), [None, Some("/ca.pem")]);
    assert!(
        Engine::build(
            &Policy::default(),
            &Deployment { listen: "127.0.0.1:1".parse().ok(), ..Deployment::default() }
        )
        .unwrap()
        .issuers()
        .is_none()
    );
}

const OTHER: &str = "[[jwt.trusted_issuer]]\nissuer = 'https://a.example.com'\naudience = 'api'";

fn secret() -> HmacKey {
    HmacKey::new(&[7; 32]).unwrap()
}

/// Whatever is signed, it is this key's.
struct Lenient;

impl VerifySignature for Lenient {
    fn verify(&self, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

fn token(header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mac = secret().sign(signed.as_bytes());
    let signature = if header.contains("EdDSA") { [mac; 2].concat() } else { mac.into() };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

const OURS: &str = r#"{"alg":"HS256","typ":"at+jwt","kid":"k"}"#;
const THEIRS: &str = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"}"#;

fn claims(issuer: &str, rest: &str) -> String {
    format!(r#"{{"iss":"{issuer}","aud":"api","sub":"alice","exp":1700000600{rest}}}"#)
}

/// What becomes of a request with `token`, what was asked, and the trace.
fn send(
    engine: &Engine,
    token: &str,
    answer: impl Fn(&Query) -> Answer,
) -> (Result<Grant, Denial>, Vec<Query>, Recording) {
    let authorization = format!("Bearer {token}");
    let headers = [("host", "localhost"), ("authorization", &authorization)];
    let head = RequestHead {
        method: b"GET",
        path: b"/",
        query: None,
        authority: None,
        scheme: Scheme::Http,
        peer: "127.0.0.1".parse().ok(),
        http2: false,
        headers: headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
    };
    let (mut asked, mut trace) = (Vec::new(), Recording::default());
    let mut evaluation = engine.evaluate_traced(&head, NOW, Sevens, &mut trace);
    let decided = loop {
        match evaluation.step() {
            Step::Need(query) => {
                evaluation.supply(answer(&query));
                asked.push(query);
            }
            Step::Done(Decision::Allow(grant)) => break Ok(grant),
            Step::Done(Decision::Deny(denial)) => break Err(denial),
            step => panic!("{step:?}"),
        }
    };
    drop(evaluation);
    (decided, asked, trace)
}

/// Knows the key of everybody, and has revoked nothing.
fn good(query: &Query) -> Answer {
    match query {
        Query::TokenKey { issuer: IssuerId::OURS, .. } => {
            Answer::TokenKey(VerifyingKey::new(Algorithm::Hs256, Arc::new(secret())))
        }
        Query::TokenKey { .. } => Answer::TokenKey(VerifyingKey::new(Algorithm::EdDsa, Arc::new(Lenient))),
        Query::Revocation { .. } => Answer::Revoked(false),
        query => panic!("{query:?}"),
    }
}

#[test]
fn a_token_of_ours_is_asked_about_twice_and_known_to_the_handler() {
    let engine = build(OTHER, false).unwrap();
    let json = claims("https://api.example.com", r#","iat":1699999990,"jti":"7","scope":"a b""#);
    let (decided, asked, _) = send(&engine, &token(OURS, &json), good);
    let (issuer, algorithm, now) = (IssuerId::OURS, Algorithm::Hs256, NOW);
    assert_eq!(
        asked,
        [
            Query::TokenKey { issuer, kid: Some("k".into()), algorithm, now },
            Query::Revocation {
                jti: Some(TokenDigest::of_jti("7")),
                key: None,
                subject: "alice".into(),
                issued: Some(Timestamp(1_699_999_990_000)),
                now,
            },
        ]
    );
    let grant = decided.unwrap();
    let alice = Principal {
        subject: "alice".into(),
        issuer: None,
        kind: CredentialKind::Jwt,
        scopes: vec!["a".into(), "b".into()],
    };
    assert_eq!((grant.principal(), grant.claims()), (Some(&alice), Some(json.as_bytes())));
    assert_eq!((grant.session(), grant.api_key()), (None, None));
}

#[test]
fn a_key_that_may_be_revoked_is_asked_about_with_the_token() {
    let engine = build("", false).unwrap();
    let digest = TokenDigest::of_kid("k");
    let key = VerifyingKey::new(Algorithm::Hs256, Arc::new(secret())).revocable_as(digest);
    let other = VerifyingKey::new(Algorithm::Hs256, Arc::new(HmacKey::new(&[8; 32]).unwrap()));
    let legacy =
        VerifyingKey::any_of(Algorithm::Hs256, [other.revocable_as(TokenDigest::of_kid("l")), key.clone()]);
    for (header, key) in [(OURS, key), (r#"{"alg":"HS256"}"#, legacy)] {
        let text = token(header, &claims("https://api.example.com", r#","jti":"7""#));
        let answer = |query: &Query| match query {
            Query::TokenKey { .. } => Answer::TokenKey(key.clone()),
            Query::Revocation { key, .. } => Answer::Revoked(key.as_deref() == Some(&digest)),
            query => panic!("{query:?}"),
        };
        let (decided, asked, _) = send(&engine, &text, answer);
        assert_eq!(decided.unwrap_err().reason().code(), DenialCode::JwtRevoked);
        assert!(
            matches!(asked.last(), Some(Query::Revocation { key, .. }) if key.as_deref() == Some(&digest)),
            "{asked:?}"
        );
    }
    // No `jti` can be made to be a key's, nor the reverse.
    assert_ne!(digest, TokenDigest::of_jti("k"));
}

#[test]
fn a_token_of_another_issuer_is_judged_by_its_keys_and_its_rules_alone() {
    let engine = build(OTHER, false).unwrap();
    let json = claims("https://a.example.com", "");
    let (decided, asked, _) = send(&engine, &token(THEIRS, &json), good);
    let issuer = IssuerId::trusted(0).unwrap();
    let query = Query::TokenKey { issuer, kid: Some("k".into()), algorithm: Algorithm::EdDsa, now: NOW };
    assert_eq!(asked, [query]);
    let principal = decided.unwrap().principal().cloned().unwrap();
    assert_eq!((&*principal.subject, principal.issuer.as_deref()), ("alice", Some("https://a.example.com")));

    // Its keys are good for its own name alone, and its names of keys are not ours.
    for (text, code) in [
        (token(THEIRS, &claims("https://api.example.com", "")), DenialCode::JwtAlgorithm),
        (token(OURS, &claims("https://a.example.com", "")), DenialCode::JwtAlgorithm),
        (token(r#"{"alg":"EdDSA","typ":"at+jwt"}"#, &json), DenialCode::JwtKeyUnknown),
        (token(r#"{"alg":"EdDSA","typ":"JWT","kid":"k"}"#, &json), DenialCode::JwtType),
        (token(THEIRS, r#"{"aud":"api","sub":"alice","exp":1700000600}"#), DenialCode::JwtAlgorithm),
    ] {
        assert_eq!(send(&engine, &text, good).0.unwrap_err().reason().code(), code, "{text}");
    }
}

#[test]
fn nobody_is_asked_about_what_cannot_be_good() {
    let engine = build(OTHER, false).unwrap();
    let json = claims("https://a.example.com", "");
    for (text, code, value) in [
        (
            "hunter2".to_string(),
            DenialCode::JwtMalformed,
            "it is not three parts with dots between them (RFC 7515 section 7.1)",
        ),
        (
            token(r#"{"alg":"none"}"#, &json),
            DenialCode::JwtAlgorithm,
            "its `alg` must be EdDSA, ES256, RS256 or HS256",
        ),
        (token(OURS, &json), DenialCode::JwtAlgorithm, "its `alg` must be"),
        (token(r#"{"alg":"EdDSA"}"#, &json), DenialCode::JwtKeyUnknown, "its `kid` is lacking"),
        (token(OURS, &claims("https://evil.example", "")), DenialCode::JwtIssuer, "https://evil.example"),
        (token(OURS, r#"{"exp":"soon"}"#), DenialCode::JwtClaims, "its `exp` is not a number of seconds"),
    ] {
        let (decided, asked, _) = send(&engine, &text, |query| panic!("{query:?}"));
        let denial = decided.unwrap_err();
        let told = denial.reason().value().unwrap();
        assert_eq!(denial.reason().code(), code, "{text}");
        assert!(told.starts_with(value), "{told}");
        assert_eq!(asked, []);
    }
}

#[test]
fn an_answer_to_another_question_is_none() {
    let engine = build("", false).unwrap();
    let text = token(OURS, &claims("https://api.example.com", ""));
    for (of_key, of_revocation, code) in [
        (None, Answer::Revoked(true), DenialCode::JwtRevoked),
        (None, Answer::Unknown, DenialCode::StoreUnavailable),
        (None, Answer::Unavailable, DenialCode::StoreUnavailable),
        (None, Answer::Done, DenialCode::StoreUnavailable),
        (None, Answer::Fresh(false), DenialCode::StoreUnavailable),
        (Some(Answer::Unknown), Answer::Revoked(false), DenialCode::JwtKeyUnknown),
        (Some(Answer::Unavailable), Answer::Revoked(false), DenialCode::StoreUnavailable),
        (Some(Answer::Revoked(false)), Answer::Revoked(false), DenialCode::StoreUnavailable),
        (Some(Answer::Fresh(true)), Answer::Revoked(false), DenialCode::StoreUnavailable),
    ] {
        let answer = |query: &Query| match query {
            Query::Revocation { .. } => of_revocation.clone(),
            query => of_key.clone().unwrap_or_else(|| good(query)),
        };
        let denial = send(&engine, &text, answer).0.unwrap_err();
        assert_eq!(denial.reason().code(), code, "{of_key:?} {of_revocation:?}");
        assert_eq!(send(&engine, &text, good).0.map(|grant| grant.claims().is_some()).ok(), Some(true));
    }
}

#[test]
fn the_log_says_why_and_the_client_is_not_told() {
    let engine = build("", false).unwrap();
    for (header, rest, code, value) in [
        (r#"{"alg":"HS256","typ":"at+jwt","kid":"old"}"#, "", DenialCode::JwtKeyUnknown, "old"),
        (OURS, r#","nbf":1700000240"#, DenialCode::JwtNotYetValid, "it is not valid for another 240 s"),
        (OURS, r#","iat":1700000240"#, DenialCode::JwtNotYetValid, "it is not valid for another 240 s"),
    ] {
        let text = token(header, &claims("https://api.example.com", rest));
        let answer = |query: &Query| match query {
            Query::TokenKey { kid, .. } if kid.as_deref() == Some("old") => Answer::Unknown,
            query => good(query),
        };
        let (decided, _, trace) = send(&engine, &text, answer);
        let denial = decided.unwrap_err();
        assert_eq!(denial.reason().code(), code);
        assert!(denial.reason().value().unwrap().starts_with(value), "{:?}", denial.reason());
        let body = String::from_utf8(denial.reply().body.to_vec()).unwrap();
        assert!(body.contains(code.as_str()) && !body.contains(value), "{body}");
        assert!(format!("{trace:?}").contains(value), "{trace:?}");
    }
}

/// One node's clock is a minute fast, another's a minute slow: `NOW` is what the other's says.
#[test]
fn the_clocks_of_two_nodes_refuse_neithers_fresh_tokens() {
    const OUR_ISSUER: &str = "https://api.example.com";
    const THEIR_ISSUER: &str = "https://a.example.com";
    let (default, short) =
        (build(OTHER, false), build(&format!("leeway = '5s'\nskew = '10s'\n{OTHER}"), false));
    let (default, short) = (default.unwrap(), short.unwrap());
    for (engine, issuer, header, ahead, is_good) in [
        // What the skew of two nodes comes to, and the leeway besides.
        (&default, OUR_ISSUER, OURS, 0, true),
        (&default, OUR_ISSUER, OURS, 120, true),
        (&default, OUR_ISSUER, OURS, 180, true),
        (&default, OUR_ISSUER, OURS, 181, false),
        (&short, OUR_ISSUER, OURS, 25, true),
        (&short, OUR_ISSUER, OURS, 26, false),
        // Of others nothing is known but the leeway.
        (&default, THEIR_ISSUER, THEIRS, 60, true),
        (&default, THEIR_ISSUER, THEIRS, 61, false),
        (&short, THEIR_ISSUER, THEIRS, 5, true),
        (&short, THEIR_ISSUER, THEIRS, 6, false),
    ] {
        for claim in ["iat", "nbf"] {
            let rest = format!(r#","{claim}":{}"#, NOW.0 / 1000 + ahead);
            let decided = send(engine, &token(header, &claims(issuer, &rest)), good).0;
            let code = decided.map(drop).map_err(|denial| denial.reason().code());
            let expected = if is_good { Ok(()) } else { Err(DenialCode::JwtNotYetValid) };
            assert_eq!(code, expected, "{issuer}: {claim} {ahead} s ahead");
        }
    }
    // It ends no later for it.
    let expired = claims(OUR_ISSUER, "").replace("1700000600", "1699999940");
    let denial = send(&default, &token(OURS, &expired), good).0.unwrap_err();
    assert_eq!(denial.reason().code(), DenialCode::JwtExpired);
}

#[test]
fn every_refusal_of_a_token_has_its_code() {
    let errors = [
        TokenError::Malformed(crate::jwt::Malformed::Form),
        TokenError::Algorithm,
        TokenError::Issuer,
        TokenError::KeyUnknown,
        TokenError::Signature,
        TokenError::Type,
        TokenError::Audience,
        TokenError::Expired(Duration::ZERO),
        TokenError::NotYetValid(Duration::ZERO),
        TokenError::Claims(crate::jwt::ClaimFault::Audience),
        TokenError::Revoked,
    ];
    for error in errors {
        assert_eq!(code(error).as_str(), error.code());
        assert!(is_about_token(code(error)), "{error}");
        assert_eq!(is_after_question(code(error)), !matches!(error, TokenError::Malformed(_)));
    }
    let all = DenialCode::ALL.iter().filter(|code| is_about_token(**code)).count();
    assert_eq!(all, errors.len());
}
