//! Tests that tables in the documentation match a registry: each entry has a row, and each row has an entry.

use std::collections::BTreeSet;

use unlearn_datasets::{location::FORMS, registry::DATASETS};
use unlearn_pruning::{CRITERIA, SCOPES};

/// The names in backticks in the first cell of each row of a table. If several tables have this `heading`, `number`
/// selects one, counted from 0.
fn named(text: &str, heading: &str, number: usize) -> BTreeSet<String> {
    let mut lines = text.lines();
    let head = format!("| {heading} |");
    for _ in 0..=number {
        lines.find(|line| line.starts_with(&head)).unwrap_or_else(|| panic!("no table of `{heading}`"));
    }
    let rows = lines.skip(1).map_while(|line| line.strip_prefix("| ")?.split_once(" |"));
    let cells = rows.map(|(cell, _)| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    cells.flatten().collect()
}

fn known<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_unlearning_method_has_a_row() {
    let text = include_str!("../docs/unlearning.md");
    assert_eq!(named(text, "method", 0), known(unlearn_unlearning::METHODS.iter().map(|method| method.name)));
}

#[test]
fn every_criterion_schedule_and_scope_of_pruning_has_a_row() {
    let text = include_str!("../docs/pruning.md");
    assert_eq!(named(text, "criterion", 0), known(CRITERIA.iter().map(|criterion| criterion.name)));
    assert_eq!(named(text, "schedule", 0), known(unlearn_pruning::METHODS.iter().map(|method| method.name)));
    assert_eq!(named(text, "scope", 0), known(SCOPES.iter().map(|scope| scope.name)));
}

#[test]
fn every_dataset_and_form_has_a_row() {
    let text = include_str!("../docs/datasets.md");
    assert_eq!(named(text, "name", 0), known(DATASETS.iter().map(|entry| entry.name)));
    let forms = named(text, "name", 1);
    let forms = forms.iter().filter_map(|name| name.split_once(':')).map(|(form, _)| form);
    assert_eq!(known(forms), known(FORMS.iter().map(|form| form.name)));
}

#[test]
fn every_kind_of_stage_has_a_row_with_the_stages_that_it_reads() {
    let text = include_str!("../docs/stages.md");
    assert_eq!(named(text, "kind", 0), known(unlearn_experiment::KINDS.iter().map(|kind| kind.name)));
    for kind in unlearn_experiment::KINDS {
        let row = text.lines().find(|line| line.starts_with(&format!("| `{}` |", kind.name))).unwrap();
        let reads = row.trim_end_matches(" |").rsplit_once("| ").unwrap().1;
        let reads = reads.split('`').skip(1).step_by(2);
        assert_eq!(known(reads), known(kind.inputs.iter().chain(kind.optional_inputs).copied()), "{row}");
    }
}
