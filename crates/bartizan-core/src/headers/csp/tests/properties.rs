//! Properties of all policies, against a second, small parser.

use super::*;

fn any_source() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "'self'",
            "'none'",
            "'nonce'",
            "'strict-dynamic'",
            "'report-sample'",
            "dangerously:'unsafe-inline'",
            "'unsafe-inline'",
            "https:",
            "data:",
            "*",
            "dangerously:*",
            "self",
            "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
        ])
        .prop_map(String::from),
        "(https://)?(\\*\\.)?[a-zA-Z0-9-]{1,8}(\\.[a-z]{2,5}){0,2}(:[0-9]{1,5})?(/[a-zA-Z%0-9]{0,6})?",
        "\\PC{0,12}",
    ]
}

fn any_directives() -> impl Strategy<Value = Directives> {
    let names: Vec<&str> = Directive::ALL.iter().map(|directive| directive.as_str()).collect();
    prop::collection::btree_map(
        prop::sample::select(names).prop_map(String::from),
        prop::collection::vec(any_source(), 0..4),
        0..4,
    )
}

proptest! {
    #[test]
    fn what_is_rendered_reads_back_as_what_was_written(written in any_directives()) {
        if let Ok(csp) = Csp::new(&written) {
            let read = parse(&text(&csp));
            prop_assert_eq!(read.len(), written.len());
            for (name, items) in &written {
                let bare = |item: &String| item.strip_prefix("dangerously:").unwrap_or(item).to_ascii_lowercase();
                let mut items: Vec<String> =
                    items.iter().map(|item| bare(item).replace("'nonce'", "'nonce-n'")).collect();
                if items.is_empty() && name == "trusted-types" {
                    items.push("'none'".into());
                }
                let found: Vec<String> = read[name].iter().map(|item| item.to_ascii_lowercase()).collect();
                prop_assert_eq!(found, items);
            }
            prop_assert!(!csp.render_without_nonce().contains("'nonce"));
        }
    }

    #[test]
    fn a_rendered_source_never_leaves_its_place(item in "[ -~]{0,20}|\\PC{0,10}") {
        for directive in Directive::ALL {
            if let Ok(csp) = Csp::new(&directives(&[(directive.as_str(), &[&item])])) {
                let read = parse(&text(&csp));
                prop_assert_eq!(read.len(), 1);
                prop_assert_eq!(read[directive.as_str()].len(), 1);
                prop_assert!(!text(&csp).contains(','));
            }
        }
    }

    #[test]
    fn any_handler_is_read(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..3)) {
        let mut handler = HandlerCsp::default();
        for value in &values {
            handler.observe(value);
        }
        prop_assert!(handler.missing().index() < 8);
    }

    #[test]
    fn a_handler_and_the_second_parser_agree(value in "(base-uri|object-src|frame-ancestors|x|;| |'none'|'self'|\t){0,12}") {
        let read = parse(&value);
        let mut handler = HandlerCsp::default();
        handler.observe(value.as_bytes());
        let lacks = |name: &str| usize::from(!read.contains_key(name));
        prop_assert_eq!(
            handler.missing().index(),
            lacks("base-uri") + 2 * lacks("object-src") + 4 * lacks("frame-ancestors")
        );
        prop_assert_eq!(handler.is_present(), !read.is_empty());
        prop_assert_eq!(handler.framing().is_some(), read.contains_key("frame-ancestors"));
    }

    #[test]
    fn supplements_complete_any_policy(written in any_directives()) {
        if let Ok(csp) = Csp::preset_page().with(&written) {
            for (index, text) in Supplements::beside(&csp).texts().iter().enumerate() {
                let mut handler = HandlerCsp::default();
                handler.observe(text.as_bytes());
                prop_assert_eq!(handler.missing().index(), 7 - index);
            }
        }
    }
}
