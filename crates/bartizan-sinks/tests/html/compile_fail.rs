//! What must not compile.

#[test]
fn a_safe_html_is_made_by_cleaning_alone() {
    trybuild::TestCases::new().compile_fail("tests/html/compile_fail/*.rs");
}
