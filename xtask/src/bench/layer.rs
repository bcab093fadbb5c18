//! The tower layer: instructions and heap allocations of one request, over those of the bare application.

use super::{
    figure::Figure,
    gungraun::{self, Counts},
};
use crate::failure::Failure;

/// Runs the bench of the layer and takes the differences that have a target.
pub(super) fn layer() -> Result<Vec<Figure>, Failure> {
    figures(&Counts::of(gungraun::bench("layer"))?)
}

/// What is to be reached, and beside it what is only of interest.
fn figures(counts: &Counts) -> Result<Vec<Figure>, Failure> {
    let of = |function, id| counts.of_one(function, id);
    let (bare, others) = (of("json", "bare")?, of("json", "tower_http")?);
    let (around, inside, empty) = (of("json", "around")?, of("json", "inside")?, of("json", "inside_empty")?);
    let over = around.instructions - bare.instructions;
    let theirs = others.instructions - bare.instructions;
    let mut figures = vec![
        Figure::gate("layer around the Router: instructions over bare", over, 0, 5_999.0),
        Figure::gate("the same ÷ the tower-http stack of equal features", over / theirs, 2, 0.5),
        Figure::reference("the tower-http stack: instructions over bare", theirs, 0),
        Figure::gate(
            "through `Router::layer`: instructions over an empty layer",
            inside.instructions - empty.instructions,
            0,
            6_499.0,
        ),
        Figure::gate(
            "layer around the Router: heap allocations over bare",
            around.allocations - bare.allocations,
            0,
            2.0,
        ),
        Figure::reference(
            "the tower-http stack: heap allocations over bare",
            others.allocations - bare.allocations,
            0,
        ),
    ];
    for (function, what) in [("cross_origin", "a trusted origin's request"), ("page", "a page with a nonce")]
    {
        let (bare, around) = (of(function, "bare")?, of(function, "around")?);
        figures.push(Figure::reference(
            format!("layer, {what}: instructions over bare"),
            around.instructions - bare.instructions,
            0,
        ));
    }
    figures.push(Figure::reference(
        "layer, a refused request: instructions",
        of("forged", "around")?.instructions,
        0,
    ));
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gungraun::tests::line;

    fn output(around: u64, allocations: u64) -> String {
        [
            line("json", "bare", 10_000, 5),
            line("json", "tower_http", 24_000, 20),
            line("json", "around", around, allocations),
            line("json", "inside_empty", 12_000, 9),
            line("json", "inside", 18_000, 11),
            line("cross_origin", "bare", 10_000, 5),
            line("cross_origin", "around", 17_000, 9),
            line("page", "bare", 10_000, 5),
            line("page", "around", 18_000, 9),
            line("forged", "around", 9_000, 9),
        ]
        .join("\n")
    }

    #[test]
    fn figures_are_differences_and_missing_one_fails() {
        let fails = |around, allocations| {
            let figures = figures(&Counts::read(&output(around, allocations)).unwrap()).unwrap();
            figures.into_iter().filter(Figure::fails).map(|figure| figure.what).collect::<Vec<_>>()
        };
        assert_eq!(fails(15_000, 7), [""; 0]);
        assert_eq!(fails(16_000, 7), ["layer around the Router: instructions over bare"]);
        assert_eq!(fails(18_000, 7).len(), 2);
        assert_eq!(fails(15_000, 8), ["layer around the Router: heap allocations over bare"]);
    }
}
