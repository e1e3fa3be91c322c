//! The README shows the current text of the example `run_suite`.

#[test]
fn the_readme_shows_the_example() {
    let example = include_str!("../examples/run_suite.rs");
    let code = &example[example.find("\nuse ").unwrap() + 1..];
    assert!(
        include_str!("../../../README.md").contains(code),
        "README.md shows another program than examples/run_suite.rs"
    );
}
