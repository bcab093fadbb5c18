//! Sources: taken, refused, dangerous, and those that do not go together.

use super::*;

#[test]
fn sources_that_are_taken() {
    for item in [
        "'self'",
        "'SELF'",
        "'none'",
        "'nonce'",
        "'report-sample'",
        "'wasm-unsafe-eval'",
        "'trusted-types-eval'",
        "'inline-speculation-rules'",
        "'report-sha256'",
        "example.com",
        "localhost",
        "localhost:3000",
        "localhost:*",
        "127.0.0.1:8080",
        "*.example.com",
        "https://*.example.com:443/a/b%20c/~d!$&()*+=:@",
        "wss://example.com",
        "capacitor://localhost",
        "xn--bcher-kva.example",
        "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
        "'sha256-47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU'",
        "'sha384-OLBgp1GsljhM2TJ+sbHjaiH9txEUvgdDTAzHv2P24donTt6/529l+9Ua0vFImLlb'",
        "'sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=='",
        "dangerously:'unsafe-inline'",
        "dangerously:'unsafe-eval'",
        "dangerously:'unsafe-hashes'",
        "dangerously:*",
        "dangerously:https:",
        "dangerously:data:",
        "dangerously:https://*",
        "dangerously:*:8443",
    ] {
        assert_eq!(in_script(item), None, "{item}");
    }
}

#[test]
fn sources_that_are_refused() {
    use CspError::*;
    for (item, expected) in [
        ("", EmptySource),
        ("self", UnquotedKeyword("'self'")),
        ("Self", UnquotedKeyword("'self'")),
        ("none", UnquotedKeyword("'none'")),
        ("nonce", UnquotedKeyword("'nonce'")),
        ("unsafe-inline", UnquotedKeyword("'unsafe-inline'")),
        ("strict-dynamic", UnquotedKeyword("'strict-dynamic'")),
        ("'sefl'", UnknownKeyword(Some("'self'"))),
        ("'unsafe-inlin'", UnknownKeyword(Some("'unsafe-inline'"))),
        ("'strictdynamic'", UnknownKeyword(Some("'strict-dynamic'"))),
        ("\"self\"", UnknownKeyword(Some("'self'"))),
        ("'self", UnknownKeyword(Some("'self'"))),
        ("'", UnknownKeyword(None)),
        ("''", UnknownKeyword(None)),
        ("'everything'", UnknownKeyword(None)),
        ("'example.com'", QuotedSource),
        ("'https:'", QuotedSource),
        ("'*'", QuotedSource),
        ("‘self’", ForbiddenCharacter('‘')),
        ("bücher.example", ForbiddenCharacter('ü')),
        ("'self' https://a.example", ForbiddenCharacter(' ')),
        ("a.example;script-src", ForbiddenCharacter(';')),
        ("a.example,b.example", ForbiddenCharacter(',')),
        ("a.example\n", ForbiddenCharacter('\n')),
        ("a.example\0", ForbiddenCharacter('\0')),
        ("'nonce-abc'", LiteralNonce),
        ("'nonce-'", LiteralNonce),
        ("'NONCE-{nonce}'", LiteralNonce),
        ("nonce-abc", LiteralNonce),
        ("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", BadHash(HashFault::Unquoted)),
        ("'SHA256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='", BadHash(HashFault::Algorithm)),
        ("'sha256-???'", BadHash(HashFault::NotBase64)),
        ("'sha256-'", BadHash(HashFault::Length { expected: 32, found: 0 })),
        ("'sha256-YWJj'", BadHash(HashFault::Length { expected: 32, found: 3 })),
        (
            "'sha512-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
            BadHash(HashFault::Length { expected: 64, found: 32 }),
        ),
        ("https", SchemeWithoutColon),
        ("data", SchemeWithoutColon),
        (":", BadScheme),
        ("1a:", BadScheme),
        ("javascript:", BadScheme),
        ("data:text/html", BadScheme),
        ("https:/", BadScheme),
        ("https://", BadHost(HostFault::EmptyLabel)),
        ("://a.example", BadHost(HostFault::Scheme)),
        ("ht_tp://a.example", BadHost(HostFault::Scheme)),
        ("a..example", BadHost(HostFault::EmptyLabel)),
        (".example", BadHost(HostFault::EmptyLabel)),
        ("example.com.", BadHost(HostFault::EmptyLabel)),
        ("*.", BadHost(HostFault::EmptyLabel)),
        ("**", BadHost(HostFault::Wildcard)),
        ("a.*.example", BadHost(HostFault::Wildcard)),
        ("*a.example", BadHost(HostFault::Wildcard)),
        ("*.*.example", BadHost(HostFault::Wildcard)),
        ("my_host", BadHost(HostFault::Character('_'))),
        ("https://a.example:", BadHost(HostFault::Port)),
        ("a.example:0", BadHost(HostFault::Port)),
        ("a.example:65536", BadHost(HostFault::Port)),
        ("a.example:+80", BadHost(HostFault::Port)),
        ("a.example:80:80", BadHost(HostFault::Port)),
        ("https://[::1]:8080", BadHost(HostFault::Ipv6)),
        ("https://user@a.example", BadHost(HostFault::UserInfo)),
        ("https://a.example/?q", BadHost(HostFault::QueryOrFragment)),
        ("https://a.example#f", BadHost(HostFault::QueryOrFragment)),
        ("https://a.example/%2", BadHost(HostFault::Path)),
        ("https://a.example/<b>", BadHost(HostFault::Path)),
        ("/js/", BadHost(HostFault::EmptyLabel)),
        ("'unsafe-inline'", DangerNotNamed),
        ("'unsafe-eval'", DangerNotNamed),
        ("'unsafe-hashes'", DangerNotNamed),
        ("*", DangerNotNamed),
        ("*:443", DangerNotNamed),
        ("https://*", DangerNotNamed),
        ("https://*/js/", DangerNotNamed),
        ("https:", DangerNotNamed),
        ("HTTP:", DangerNotNamed),
        ("data:", DangerNotNamed),
        ("blob:", DangerNotNamed),
        ("dangerously:'self'", NoDangerToName),
        ("dangerously:https://a.example", NoDangerToName),
        ("dangerously:'nonce'", NoDangerToName),
        ("dangerously:self", UnquotedKeyword("'self'")),
        ("dangerously:", EmptySource),
        ("'strict-dynamic'", StrictDynamicAlone),
    ] {
        assert_eq!(in_script(item), Some(expected), "{item:?}");
    }
}

#[test]
fn danger_is_named_where_code_gets_in() {
    for (name, item, named) in [
        ("default-src", "'unsafe-inline'", true),
        ("script-src-elem", "'unsafe-inline'", true),
        ("script-src-attr", "'unsafe-hashes'", true),
        ("style-src", "'unsafe-inline'", false),
        ("style-src-attr", "'unsafe-hashes'", false),
        ("object-src", "*", true),
        ("base-uri", "https:", true),
        ("default-src", "data:", true),
        ("img-src", "data:", false),
        ("img-src", "*", false),
        ("worker-src", "blob:", false),
        ("connect-src", "https:", false),
        ("frame-ancestors", "https:", false),
        ("form-action", "https:", false),
    ] {
        let refused = [(Some(0), CspError::DangerNotNamed)];
        assert_eq!(errors(name, &[item]), if named { &refused[..] } else { &[] }, "{name} {item}");
        // Whoever names it where it need not be named is no worse off.
        assert_eq!(errors(name, &[&format!("dangerously:{item}")]), [], "{name} {item}");
    }
    let csp = Csp::new(&directives(&[("script-src", &["dangerously:'unsafe-eval'", "'self'"])])).unwrap();
    assert_eq!(text(&csp), "script-src 'unsafe-eval' 'self'");
}

#[test]
fn keywords_out_of_place() {
    for (name, item) in [
        ("img-src", "'unsafe-inline'"),
        ("style-src", "'unsafe-eval'"),
        ("script-src-elem", "'unsafe-eval'"),
        ("script-src-elem", "'unsafe-hashes'"),
        ("style-src", "'strict-dynamic'"),
        ("script-src-attr", "'strict-dynamic'"),
        ("script-src-attr", "'nonce'"),
        ("style-src-attr", "'nonce'"),
        ("img-src", "'nonce'"),
        ("img-src", "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"),
        ("frame-ancestors", "'report-sample'"),
        ("base-uri", "'nonce'"),
        ("style-src", "'inline-speculation-rules'"),
    ] {
        assert_eq!(errors(name, &[item]), [(Some(0), CspError::OutOfPlace)], "{name} {item}");
    }
}

#[test]
fn sources_that_do_not_go_together() {
    use CspError::*;
    const HASH: &str = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";
    for (items, expected) in [
        (&["'none'", "'self'"][..], &[(Some(0), NoneBesideOthers)][..]),
        (&["'self'", "'none'", "'none'"], &[(Some(1), NoneBesideOthers), (Some(2), Duplicate { first: 1 })]),
        (&["'self'", "'SELF'"], &[(Some(1), Duplicate { first: 0 })]),
        (&["a.example", "b.example", "A.EXAMPLE"], &[(Some(2), Duplicate { first: 0 })]),
        (&["https://a.example/x", "https://a.example/X"], &[]),
        (
            &["'nonce'", "'strict-dynamic'", "'self'", "a.example", "dangerously:https:"],
            &[(Some(2), BesideStrictDynamic), (Some(3), BesideStrictDynamic), (Some(4), BesideStrictDynamic)],
        ),
        (&["'strict-dynamic'", "'report-sample'"], &[(Some(0), StrictDynamicAlone)]),
        (&["'strict-dynamic'", HASH], &[]),
        (&["'strict-dynamic'", "'nonce-x'"], &[(Some(1), LiteralNonce)]),
        (&["'nonce'", "dangerously:'unsafe-inline'"], &[(Some(1), UnsafeInlineIgnored)]),
        (&[HASH, "dangerously:'unsafe-inline'"], &[(Some(1), UnsafeInlineIgnored)]),
        (&["'self'", "dangerously:'unsafe-inline'"], &[]),
        (&["'nonce'", "'strict-dynamic'", "dangerously:'unsafe-eval'"], &[]),
        (&[], &[(None, EmptyList)]),
    ] {
        assert_eq!(errors("script-src", items), expected, "{items:?}");
    }
}
