//! The keys of the stages of the suite `quick`.

use std::path::Path;

use unlearn_experiment::{Environment, Plan, Suite};

/// If this fails, stored runs of `quick` are no longer found. A change that intends this writes the file again
/// with the test's output, and gives the reason in its commit message.
#[test]
fn the_keys_of_quick_stay_what_they_are() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let suite = Suite::load(&root.join("configs/suites/quick.toml"), &[]).unwrap();
    let environment = Environment { device: "cpu".parse().unwrap(), ..Environment::default() };
    let stages = Plan::resolve(&suite, &environment).unwrap().stages;
    let lines: Vec<String> = stages.iter().map(|stage| format!("{} {}", stage.key, stage.label)).collect();
    let found = lines.join("\n") + "\n";
    let file = root.join("crates/experiment/tests/quick-keys.txt");
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == expected, "{} should be:\n{found}", file.display());
}
