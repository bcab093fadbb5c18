//! What must not compile stands in `tests/`.
