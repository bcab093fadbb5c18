//! Tables of faults and texts.

mod properties;
mod sources;

use std::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use proptest::prelude::*;

use super::*;

fn directives(written: &[(&str, &[&str])]) -> Directives {
    written
        .iter()
        .map(|(name, items)| (name.to_string(), items.iter().map(ToString::to_string).collect()))
        .collect()
}

fn text(csp: &Csp) -> String {
    match csp.render() {
        CspText::Finished(text) => text.into(),
        CspText::Template(template) => String::from_utf8(template.fill("N").into()).unwrap(),
    }
}

/// What is wrong with one directive: place and error of each fault.
fn errors(name: &str, items: &[&str]) -> Vec<(Option<usize>, CspError)> {
    match Csp::new(&directives(&[(name, items)])) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|fault| (fault.index, fault.error)).collect(),
    }
}

/// What is wrong with one source of `script-src`.
fn in_script(item: &str) -> Option<CspError> {
    errors("script-src", &[item]).first().map(|(_, error)| *error)
}

/// A second parser, by the letter of CSP3 §2.2.1.
fn parse(serialized: &str) -> BTreeMap<String, Vec<String>> {
    let mut policy = BTreeMap::new();
    for token in serialized.split(';').map(str::trim_ascii).filter(|token| !token.is_empty()) {
        let mut words = token.split_ascii_whitespace().map(ToString::to_string);
        policy.entry(words.next().unwrap().to_ascii_lowercase()).or_insert_with(|| words.collect());
    }
    policy
}

#[test]
fn presets_are_exact() {
    assert_eq!(
        text(&Csp::preset_api()),
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
    );
    assert_eq!(
        text(&Csp::preset_page()),
        "default-src 'none'; script-src 'self' 'nonce-N'; style-src 'self'; img-src 'self'; font-src 'self'; \
         connect-src 'self'; manifest-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'"
    );
    let strict = text(&Csp::preset_strict());
    assert_eq!(strict, text(&Csp::preset_page()).replace("'self' 'nonce-N'", "'nonce-N' 'strict-dynamic'"));
    let with_types = Csp::preset_strict().require_trusted_types(&["app".into(), "dompurify".into()]).unwrap();
    assert_eq!(
        text(&with_types),
        format!("{strict}; require-trusted-types-for 'script'; trusted-types app dompurify")
    );
    let without_names = Csp::preset_page().require_trusted_types(&[]).unwrap();
    assert!(text(&without_names).ends_with("; require-trusted-types-for 'script'; trusted-types 'none'"));
}

#[test]
fn presets_would_pass_their_own_checks() {
    for preset in [Csp::preset_api(), Csp::preset_page(), Csp::preset_strict()] {
        let written = parse(&text(&preset).replace("'nonce-N'", "'nonce'"));
        assert_eq!(Csp::new(&written).unwrap(), preset);
    }
}

#[test]
fn a_directive_replaces_the_presets_whole() {
    let csp = Csp::preset_page()
        .with(&directives(&[
            ("img-src", &["data:", "https://*.Example.com/A,b".split(',').next().unwrap()]),
            ("media-src", &["'self'", "HTTPS://A/B/C", "D/E"]),
            ("report-to", &["csp"]),
        ]))
        .unwrap();
    let rendered = text(&csp);
    assert!(rendered.contains("; img-src data: https://*.example.com/A; font-src 'self'; "), "{rendered}");
    assert!(
        rendered.contains("; connect-src 'self'; media-src 'self' https://a/B/C d/E; manifest-src 'self'; "),
        "{rendered}"
    );
    assert!(rendered.ends_with("; frame-ancestors 'none'; report-to csp"), "{rendered}");
}

#[test]
fn unknown_directives() {
    for (name, expected) in [
        ("scirpt-src", CspError::UnknownDirective(Some("script-src"))),
        ("Script-Src", CspError::UnknownDirective(Some("script-src"))),
        ("frame-ancestor", CspError::UnknownDirective(Some("frame-ancestors"))),
        ("scripts", CspError::UnknownDirective(None)),
        ("", CspError::UnknownDirective(None)),
        ("block-all-mixed-content", CspError::WithdrawnDirective("upgrade-insecure-requests")),
        ("plugin-types", CspError::WithdrawnDirective("object-src")),
    ] {
        assert_eq!(errors(name, &["'self'"]), [(None, expected)], "{name}");
    }
}

#[test]
fn all_faults_come_together_each_with_its_place() {
    let written = directives(&[
        ("img-src", &["self", "https://ok.example", "http//x y"]),
        ("scrip-src", &["'self'"]),
        ("script-src", &["'self'", "'unsafe-inlin'", "'self'", "*"]),
        ("sandbox", &["allow-script"]),
    ]);
    let faults = Csp::preset_page().with(&written).unwrap_err();
    let found: Vec<String> = faults
        .iter()
        .map(|fault| format!("{fault}\n    {} -> {}", fault.error.code(), fault.hint().unwrap_or_default()))
        .collect();
    insta::assert_snapshot!(found.join("\n"), @r#"
    img-src[0]: `self`: without single quotes this is the name of a host, not the keyword
        csp.unquoted-keyword -> write "'self'", with the single quotes
    img-src[2]: `http//x y`: a source cannot contain ' '
        csp.forbidden-character -> each source is an item of its own in the list
    sandbox[0]: `allow-script`: this directive has no such token
        csp.unknown-token -> did you mean "allow-scripts"?
    scrip-src: `scrip-src`: no directive has this name
        csp.unknown-directive -> did you mean "script-src"?
    script-src[1]: `'unsafe-inlin'`: no keyword has this name
        csp.unknown-keyword -> did you mean "'unsafe-inline'"?
    script-src[2]: `'self'`: this is there already, at [0]
        csp.duplicate -> remove it
    script-src[3]: `*`: this lets injected code run; it is taken only where the danger is named
        csp.danger-not-named -> if nothing else will do, write "dangerously:*"
    "#);
}

#[test]
fn directives_with_a_syntax_of_their_own() {
    use CspError::*;
    for (name, items, expected) in [
        ("upgrade-insecure-requests", &[][..], &[][..]),
        ("upgrade-insecure-requests", &["1"], &[(None, TakesNoValue)]),
        ("sandbox", &[], &[]),
        ("sandbox", &["allow-scripts", "allow-forms"], &[]),
        ("sandbox", &["allow-script"], &[(Some(0), UnknownToken(Some("allow-scripts")))]),
        ("sandbox", &["allow-forms", "allow-forms"], &[(Some(1), Duplicate { first: 0 })]),
        ("sandbox", &["'none'"], &[(Some(0), UnknownToken(None))]),
        ("report-to", &["csp-endpoint"], &[]),
        ("report-to", &["*a.b_c-1"], &[]),
        ("report-to", &["-a"], &[(Some(0), BadEndpoint)]),
        ("report-to", &[], &[(None, TakesOneValue)]),
        ("report-to", &["a", "b"], &[(None, TakesOneValue)]),
        ("report-to", &["https://a.example"], &[(Some(0), BadEndpoint)]),
        ("report-to", &["Default"], &[(Some(0), BadEndpoint)]),
        ("report-to", &[""], &[(Some(0), BadEndpoint)]),
        ("report-uri", &["/csp", "https://r.example/csp?x=1"], &[]),
        ("report-uri", &[], &[(None, BadReportUri)]),
        ("report-uri", &["csp"], &[(Some(0), BadReportUri)]),
        ("report-uri", &["//r.example/"], &[(Some(0), BadReportUri)]),
        ("report-uri", &["https://"], &[(Some(0), BadReportUri)]),
        ("report-uri", &["/csp;a"], &[(Some(0), BadReportUri)]),
        ("report-uri", &["/csp a"], &[(Some(0), BadReportUri)]),
        ("webrtc", &["'block'"], &[]),
        ("webrtc", &["'deny'"], &[(Some(0), UnknownToken(None))]),
        ("webrtc", &["'blok'"], &[(Some(0), UnknownToken(Some("'block'")))]),
        ("webrtc", &["block"], &[(Some(0), UnknownToken(Some("'block'")))]),
        ("require-trusted-types-for", &["'script'"], &[]),
        ("require-trusted-types-for", &["script"], &[(Some(0), UnknownToken(Some("'script'")))]),
        ("trusted-types", &["app", "a-b#c=d_e/f@g.h%i", "'allow-duplicates'"], &[]),
        ("trusted-types", &["*"], &[]),
        ("trusted-types", &[], &[]),
        ("trusted-types", &["'none'"], &[]),
        ("trusted-types", &["'none'", "app"], &[(Some(0), NoneBesideOthers)]),
        ("trusted-types", &["none"], &[(Some(0), UnquotedKeyword("'none'"))]),
        ("trusted-types", &["allow-duplicates"], &[(Some(0), UnquotedKeyword("'allow-duplicates'"))]),
        ("trusted-types", &["my policy"], &[(Some(0), BadPolicyName)]),
        ("trusted-types", &["app", "app"], &[(Some(1), Duplicate { first: 0 })]),
    ] {
        assert_eq!(errors(name, items), expected, "{name} {items:?}");
    }
    for (name, expected) in [
        ("sandbox", "sandbox"),
        ("upgrade-insecure-requests", "upgrade-insecure-requests"),
        ("trusted-types", "trusted-types 'none'"),
    ] {
        assert_eq!(text(&Csp::new(&directives(&[(name, &[])])).unwrap()), expected);
    }
}

#[test]
fn a_report_only_policy_has_no_directive_that_only_enforces() {
    let written = directives(&[("sandbox", &[]), ("upgrade-insecure-requests", &[]), ("img-src", &["self"])]);
    let faults = Csp::report_only(&written).unwrap_err();
    let found: Vec<_> = faults.iter().map(|fault| (fault.path(), fault.error)).collect();
    assert_eq!(
        found,
        [
            ("sandbox".into(), CspError::NotInReportOnly),
            ("upgrade-insecure-requests".into(), CspError::NotInReportOnly),
            ("img-src[0]".into(), CspError::UnquotedKeyword("'self'")),
        ]
    );
    assert!(Csp::report_only(&directives(&[("sandbox", &[])])).is_err());
    let good = Csp::report_only(&directives(&[("default-src", &["'self'"])])).unwrap();
    assert_eq!(text(&good), "default-src 'self'");
    assert!(!good.is_empty() && Csp::default().is_empty());
}

#[test]
fn the_nonce_has_several_places() {
    let csp = Csp::new(&directives(&[
        ("script-src", &["'nonce'", "'self'"]),
        ("style-src", &["'self'", "'nonce'"]),
        ("default-src", &["'nonce'"]),
    ]))
    .unwrap();
    assert!(csp.has_nonce() && !Csp::preset_api().has_nonce());
    assert_eq!(text(&csp), "default-src 'nonce-N'; script-src 'nonce-N' 'self'; style-src 'self' 'nonce-N'");
    let CspText::Template(template) = csp.render() else { panic!("it has a nonce") };
    assert_eq!(
        template.fill("a+/=").len(),
        "default-src 'nonce-a+/='; script-src 'nonce-a+/=' 'self'; style-src 'self' 'nonce-a+/='".len()
    );
}

#[test]
fn without_a_nonce() {
    for (items, expected) in [
        (&["'self'", "'nonce'"][..], "script-src 'self'"),
        (&["'nonce'"], "script-src 'none'"),
        (&["'nonce'", "'strict-dynamic'", "'report-sample'"], "script-src 'none'"),
        (&["'nonce'", "dangerously:'unsafe-eval'"], "script-src 'unsafe-eval'"),
        (&["'self'"], "script-src 'self'"),
        (
            &["'nonce'", "'strict-dynamic'", "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"],
            "script-src 'strict-dynamic' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
        ),
    ] {
        let csp = Csp::new(&directives(&[("script-src", items)])).unwrap();
        assert_eq!(&*csp.render_without_nonce(), expected, "{items:?}");
    }
    let api = Csp::preset_api();
    assert_eq!(&*api.render_without_nonce(), text(&api));
}

#[test]
fn framing() {
    for (items, expected) in [
        (&["'none'"][..], Framing::Nobody),
        (&["'self'"], Framing::SameOrigin),
        (&["'self'", "https://a.example"], Framing::Others),
        (&["https:"], Framing::Others),
    ] {
        let csp = Csp::preset_api().with(&directives(&[("frame-ancestors", items)])).unwrap();
        assert_eq!(csp.framing(), expected, "{items:?}");
        assert_eq!(csp.frame_ancestors().unwrap(), items.join(" "));
    }
    assert_eq!(Csp::default().framing(), Framing::Others);
    assert_eq!(Csp::default().frame_ancestors(), None);
}

#[test]
fn what_a_handler_lacks() {
    const ALL: &str = "base-uri 'none'; object-src 'none'; frame-ancestors 'none'";
    let supplements = Supplements::beside(&Csp::preset_page());
    for (values, expected, framing) in [
        (&["default-src 'self'"][..], Some(ALL), None),
        (&["base-uri 'self'"], Some("object-src 'none'; frame-ancestors 'none'"), None),
        (&["object-src 'self'"], Some("base-uri 'none'; frame-ancestors 'none'"), None),
        (&["frame-ancestors 'self'"], Some("base-uri 'none'; object-src 'none'"), Some(Framing::SameOrigin)),
        (&["base-uri a; object-src b"], Some("frame-ancestors 'none'"), None),
        (&["base-uri a; frame-ancestors *"], Some("object-src 'none'"), Some(Framing::Others)),
        (&["object-src a; frame-ancestors 'none'"], Some("base-uri 'none'"), Some(Framing::Nobody)),
        (&["OBJECT-src a;\tBase-URI b ;;frame-ancestors c"], None, Some(Framing::Others)),
        // Several headers and lists hold together; the narrowest says who may frame.
        (&["base-uri a", "object-src a, frame-ancestors b"], None, Some(Framing::Others)),
        (
            &["frame-ancestors a, frame-ancestors 'self'"],
            Some("base-uri 'none'; object-src 'none'"),
            Some(Framing::SameOrigin),
        ),
        (
            &["frame-ancestors a", "frame-ancestors"],
            Some("base-uri 'none'; object-src 'none'"),
            Some(Framing::Nobody),
        ),
        // Of two directives of one name in one policy the first counts.
        (
            &["frame-ancestors 'none'; frame-ancestors *"],
            Some("base-uri 'none'; object-src 'none'"),
            Some(Framing::Nobody),
        ),
        // 'none' beside others is nothing.
        (
            &["frame-ancestors 'none' https://a"],
            Some("base-uri 'none'; object-src 'none'"),
            Some(Framing::Others),
        ),
        // A name inside a value is no directive.
        (&["default-src base-uri object-src frame-ancestors"], Some(ALL), None),
        (&["script-src x;base-uriy z"], Some(ALL), None),
        (&["frame-ancestors \u{fc}"], Some(ALL), None),
    ] {
        let mut handler = HandlerCsp::default();
        for value in values {
            handler.observe(value.as_bytes());
        }
        assert_eq!(supplements.text(handler.missing()), expected, "{values:?}");
        assert_eq!(handler.framing(), framing, "{values:?}");
        assert_eq!(handler.missing().is_empty(), expected.is_none());
    }
}

#[test]
fn a_header_without_a_directive_is_no_policy() {
    for (value, present) in
        [("", false), (" ; ,, ;", false), ("\u{fc}", false), ("x", true), (",sandbox", true)]
    {
        let mut handler = HandlerCsp::default();
        handler.observe(value.as_bytes());
        assert_eq!(handler.is_present(), present, "{value:?}");
    }
    assert!(!HandlerCsp::default().is_present());
}

#[test]
fn supplements_have_the_routes_framing() {
    let route = Csp::preset_page()
        .with(&directives(&[("frame-ancestors", &["'self'", "https://partner.example"])]))
        .unwrap();
    let supplements = Supplements::beside(&route);
    assert_eq!(&*supplements.texts()[0], "");
    assert_eq!(&*supplements.texts()[4], "frame-ancestors 'self' https://partner.example");
    assert_eq!(&*supplements.texts()[5], "base-uri 'none'; frame-ancestors 'self' https://partner.example");
    assert_eq!(Supplements::beside(&Csp::default()), Supplements::beside(&Csp::preset_page()));
}

#[test]
fn every_fault_says_what_to_write() {
    let mut found = Vec::new();
    for (name, items) in [
        ("scripts", &["'self'"][..]),
        ("prefetch-src", &["'self'"]),
        ("script-src", &[]),
        ("upgrade-insecure-requests", &["1"]),
        ("report-to", &[]),
        ("report-to", &["A"]),
        ("report-uri", &["csp"]),
        ("sandbox", &["x"]),
        ("trusted-types", &["a b"]),
        ("img-src", &["'nonce'", "'unsafe-inline'", "b c", "b;c", "ü", "\u{1b}[31m"]),
        ("script-src", &["'x'", "", "https", "https:/", "'a.example'", "'none'"]),
        ("script-src", &["my_host", "a..b", "'nonce-x'", "dangerously:'self'"]),
        ("script-src", &["sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "'sha256-YWJj'"]),
        ("script-src", &["'strict-dynamic'"]),
        ("script-src", &["'strict-dynamic'", "'nonce'", "a.example", "dangerously:'unsafe-inline'"]),
    ] {
        for fault in Csp::new(&directives(&[(name, items)])).unwrap_err() {
            let hint = fault.hint().unwrap_or("-".into());
            found.push(format!("{fault}\n    {} -> {hint}", fault.error.code()));
            assert_eq!(core::error::Error::source(&fault).unwrap().to_string(), fault.error.to_string());
        }
    }
    insta::assert_snapshot!(found.join("\n"), @r#"
    scripts: `scripts`: no directive has this name
        csp.unknown-directive -> -
    prefetch-src: `prefetch-src`: browsers do not know this directive any more; use default-src
        csp.withdrawn-directive -> -
    script-src: `[]`: the list is empty
        csp.empty-list -> write ["'none'"] to allow nothing
    upgrade-insecure-requests: `1`: this directive takes no value
        csp.takes-no-value -> write []
    report-to: `[]`: this directive takes exactly one value
        csp.takes-one-value -> -
    report-to[0]: `A`: this is not the name of a reporting endpoint
        csp.bad-endpoint -> an endpoint is named as in Reporting-Endpoints: "default"
    report-uri[0]: `csp`: this is not an address for reports
        csp.bad-report-uri -> write a path, "/csp-reports", or an https URL
    sandbox[0]: `x`: this directive has no such token
        csp.unknown-token -> -
    trusted-types[0]: `a b`: this is not the name of a Trusted Types policy
        csp.bad-policy-name -> a name has letters, digits and - # = _ / @ . %; 'none', 'allow-duplicates' stand in quotes
    img-src[0]: `'nonce'`: this has no meaning in this directive
        csp.out-of-place -> nonces are for scripts and styles: script-src, style-src and their -elem forms
    img-src[1]: `'unsafe-inline'`: this has no meaning in this directive
        csp.out-of-place -> it belongs to script-src or style-src
    img-src[2]: `b c`: a source cannot contain ' '
        csp.forbidden-character -> each source is an item of its own in the list
    img-src[3]: `b;c`: a source cannot contain ';'
        csp.forbidden-character -> in a path it is written %3B or %2C; each directive has a key of its own
    img-src[4]: `ü`: a source cannot contain 'ü'
        csp.forbidden-character -> a host is written in its ASCII form: xn--…
    img-src[5]: `\u{1b}[31m`: a source cannot contain '\u{1b}'
        csp.forbidden-character -> -
    script-src[0]: `'x'`: no keyword has this name
        csp.unknown-keyword -> keywords are 'self', 'none', 'nonce', 'strict-dynamic' and a few more; hosts stand without quotes
    script-src[1]: ``: the source is empty
        csp.empty-source -> -
    script-src[2]: `https`: without a colon this is the name of a host, not a scheme
        csp.scheme-without-colon -> write "https:"
    script-src[3]: `https:/`: this is not a scheme-source
        csp.bad-scheme -> a scheme-source is a scheme and its colon: "https:"
    script-src[4]: `'a.example'`: only keywords, nonces and hashes stand in quotes
        csp.quoted-source -> write "a.example"
    script-src[5]: `'none'`: 'none' stands alone: beside other sources browsers ignore it
        csp.none-beside-others -> leave 'none' out, or everything else
    script-src[0]: `my_host`: this is not a host-source: '_' cannot be in a host
        csp.bad-host -> an underscore cannot be in a host of this policy
    script-src[1]: `a..b`: this is not a host-source: a label of the host is empty
        csp.bad-host -> a host-source looks like "https://cdn.example.com"
    script-src[2]: `'nonce-x'`: a nonce is fresh in each response and cannot be written down
        csp.literal-nonce -> write "'nonce'": each response gets a fresh one in its place
    script-src[3]: `dangerously:'self'`: there is no danger to name in this source
        csp.no-danger-to-name -> write "'self'"
    script-src[0]: `sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=`: this is not a hash-source: its single quotes are missing
        csp.bad-hash -> write "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    script-src[1]: `'sha256-YWJj'`: this is not a hash-source: the digest has 3 bytes where the algorithm gives 32
        csp.bad-hash -> -
    script-src[0]: `'strict-dynamic'`: 'strict-dynamic' needs a nonce or a hash: without one no script runs
        csp.strict-dynamic-alone -> add "'nonce'"
    script-src[2]: `a.example`: browsers ignore this beside 'strict-dynamic'
        csp.beside-strict-dynamic -> leave it out: scripts are trusted by their nonce, and what they load with them
    script-src[3]: `dangerously:'unsafe-inline'`: browsers ignore 'unsafe-inline' beside a nonce, a hash or 'strict-dynamic'
        csp.unsafe-inline-ignored -> leave it out, or the nonce and the hashes
    "#);
}

#[test]
fn the_room_for_a_filled_template_is_known_before() {
    let csp = Csp::new(&directives(&[("script-src", &["'nonce'"]), ("style-src", &["'nonce'"])])).unwrap();
    let CspText::Template(template) = csp.render() else { panic!("it has a nonce") };
    for nonce in ["", "a", "bm9uY2Utb2YtMTI4LWJpdA"] {
        assert_eq!(template.length_with(nonce), template.fill(nonce).len(), "{nonce}");
    }
}
