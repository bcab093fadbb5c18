//! What tokens and API keys are measured by: a node of a service that issues and takes them, its application behind the
//! layer, and the rates at which it signs.

pub mod bearing;
pub mod issuing;
pub mod node;
pub mod rotating;

use bartizan::jwt::Algorithm;

/// The algorithms, each by the name that figures have it by.
pub const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::Hs256, Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];
