//! Each file of the folders beside this one is refused by the compiler, for the reason that stands next to it.
//! `TRYBUILD=overwrite` writes the reasons anew.

#[test]
fn what_must_not_compile_does_not() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/html/*.rs");
    cases.compile_fail("tests/sql/*.rs");
}
