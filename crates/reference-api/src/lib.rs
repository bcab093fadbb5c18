//! Every defence of Bartizan in one running application, with an attack lab.

pub mod lab;
