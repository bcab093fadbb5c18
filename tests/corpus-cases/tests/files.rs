//! The files of this repository can be read, all of them.

use bartizan_corpus::{Corpus, Surface};

#[test]
fn every_file_is_read_and_every_surface_has_cases() {
    let corpus = Corpus::load().unwrap();
    for surface in Surface::ALL {
        assert!(corpus.cases(surface).count() > 300, "{surface:?}");
    }
}
