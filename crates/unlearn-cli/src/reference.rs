//! `unlearn manual --form markdown`: the reference pages of the documentation, made from the registries.

use std::{
    fmt::{self, Write as _},
    fs,
    path::Path,
};

use anyhow::Context as _;
use clap::{Command, CommandFactory as _, builder::StyledStr};
use serde_json::json;
use unlearn::backdoor::{DETECTORS, Parameter, TRIGGERS};
use unlearn::datasets::{location::FORMS, registry::DATASETS};
use unlearn::mia_eval::{Registry, features::FEATURES, pool_attacks::POOL_ATTACKS};
use unlearn::models::ARCHITECTURES;

use crate::{
    args::Arguments,
    lists::{AS_IN_TRAINING, directed, needed, shown},
};

/// Makes the text of a page.
type Make = fn() -> anyhow::Result<String>;

/// The pages: file name and text.
const PAGES: &[(&str, Make)] = &[
    ("attacks.md", attacks),
    ("backdoors.md", backdoors),
    ("commands.md", commands),
    ("datasets.md", datasets),
    ("figures.md", figures),
    ("models.md", models),
    ("pruning.md", pruning),
    ("unlearning.md", unlearning),
];

/// Writes every page into a folder.
pub(crate) fn write(folder: &Path) -> anyhow::Result<()> {
    for (name, page) in PAGES {
        let path = folder.join(name);
        fs::write(&path, page()?).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

fn unlearning() -> anyhow::Result<String> {
    let mut page = Page::new(
        "Unlearning methods",
        "An entry `[[unlearn]]` of a suite names one of these methods, with its settings.",
    );
    for method in unlearn::unlearning::METHODS {
        page.entry(method.name, method.summary, method.source)?;
        if method.whole_classes_only {
            page.paragraph("It forgets whole classes only.")?;
        }
        let defaults = method.resolve(&json!({}))?;
        if method.parameters().next().is_none() {
            continue;
        }
        page.table(&["setting", "default", "from", "searched by `unlearn tune`", "meaning"])?;
        for parameter in method.parameters() {
            let default = defaults.get(parameter.key).map_or_else(String::new, shown);
            let search = parameter.search.map_or_else(String::new, |search| search.to_string());
            let key = format!("`{}`", parameter.key);
            page.row(&[&key, &code(&default), &parameter.origin, &search, &parameter.meaning])?;
        }
    }
    Ok(page.text)
}

fn pruning() -> anyhow::Result<String> {
    let mut page = Page::new(
        "Pruning",
        "An entry `[[prune]]` of a suite names a schedule, and with `criterion` and `scope` what is pruned. Every schedule goes with \
         every criterion and scope.",
    );
    page.heading("Schedules")?;
    for method in unlearn::pruning::METHODS {
        page.entry(method.name, method.summary, method.source)?;
        page.table(&["setting", "default"])?;
        for (key, value) in method.resolve(&json!({}))?.as_object().into_iter().flatten() {
            page.row(&[&format!("`{key}`"), &code(&shown(value))])?;
        }
    }
    page.heading("Criteria")?;
    page.table(&["criterion", "what it does", "source"])?;
    for criterion in unlearn::pruning::CRITERIA {
        page.row(&[&format!("`{}`", criterion.name), &criterion.summary, &criterion.source])?;
    }
    page.heading("Scopes")?;
    page.table(&["scope", "what it does", "source"])?;
    for scope in unlearn::pruning::SCOPES {
        page.row(&[&format!("`{}`", scope.name), &scope.summary, &scope.source])?;
    }
    Ok(page.text)
}

fn models() -> anyhow::Result<String> {
    let mut page = Page::new(
        "Architectures",
        "`[model] arch` of a suite names one of these. Tensors have torchvision's or timm's names.",
    );
    page.table(&["name", "what it is", "least side in pixels", "source"])?;
    for arch in ARCHITECTURES {
        page.row(&[&format!("`{}`", arch.name), &arch.summary, &arch.minimum_side, &arch.source])?;
    }
    Ok(page.text)
}

fn datasets() -> anyhow::Result<String> {
    let mut page = Page::new("Datasets", "`[data] name` of a suite names one of these, or a form and a path.");
    for entry in DATASETS {
        page.entry(entry.name, entry.summary, entry.source)?;
        page.table(&["", ""])?;
        let [channels, height, width] = entry.shape;
        page.row(&[
            &"images",
            &format!("{} for training, {} for testing, {channels}×{height}×{width}", entry.train, entry.test),
        ])?;
        page.row(&[&"classes", &entry.class_count])?;
        page.row(&[&"needs", &entry.needs])?;
        if let Some(hub) = entry.hub {
            page.row(&[&"or from the Hub", &hub.address()])?;
        }
        page.row(&[&"licence", &entry.licence])?;
    }
    page.heading("Forms")?;
    page.table(&["name", "what it opens"])?;
    for form in FORMS {
        page.row(&[&format!("`{}:PATH`", form.name), &form.summary])?;
    }
    Ok(page.text)
}

fn attacks() -> anyhow::Result<String> {
    let mut page = Page::new(
        "Attacks",
        "`[evaluate] attacks` of a suite names attacks on one model. Attacks with a pool compare many models.",
    );
    page.heading("On one model")?;
    for attack in Registry::standard().attacks() {
        page.entry(attack.name, attack.summary, attack.source)?;
        let by_feature = if attack.by_features() { ".FEATURE" } else { "" };
        let figures = attack.figures.iter().map(|figure| format!("`{}{by_feature}`", figure.name));
        page.paragraph(&format!("Figures: {}.", figures.collect::<Vec<_>>().join(", ")))?;
    }
    page.heading("With a pool of models")?;
    for attack in POOL_ATTACKS {
        page.entry(attack.name, attack.summary, attack.source)?;
        for need in attack.needs {
            let (least, seen, wanted) = (need.least, need.seen.words(), need.wanted);
            page.paragraph(&format!(
                "It needs, for each sample, at least {least} of the models that {seen} it. It is as published from {wanted} on."
            ))?;
        }
    }
    page.heading("Features")?;
    page.table(&["feature", "what it is"])?;
    for feature in FEATURES {
        page.row(&[&format!("`{}`", feature.name), &feature.summary])?;
    }
    Ok(page.text)
}

fn figures() -> anyhow::Result<String> {
    let mut page = Page::new(
        "Figures",
        "Every figure of an evaluation, by the name that `results.json` and `unlearn evaluate` use.",
    );
    page.table(&["name", "label", "meaning", "direction", "needs", "source"])?;
    for figure in Registry::standard().figures().iter() {
        let needs = figure.needs.iter().copied().map(needed).collect::<Vec<_>>().join(", ");
        let name = format!("`{}`", figure.name);
        page.row(&[&name, &figure.label, &figure.meaning, &directed(figure.direction), &needs, &figure.source])?;
    }
    Ok(page.text)
}

fn backdoors() -> anyhow::Result<String> {
    let mut page =
        Page::new("Backdoors", "Triggers that `[data.poison]` of a suite sets into images, and detectors of poison.");
    page.heading("Triggers")?;
    for trigger in TRIGGERS {
        page.entry(trigger.name, trigger.summary, trigger.source)?;
        page.parameters(trigger.parameters)?;
    }
    page.heading("Detectors")?;
    for detector in DETECTORS {
        page.entry(detector.name, detector.summary, detector.source)?;
        page.parameters(detector.parameters)?;
    }
    Ok(page.text)
}

fn commands() -> anyhow::Result<String> {
    let mut page = Page::new("Commands", "Every command with its options, as `--help` prints them.");
    for (name, help) in helps(Arguments::command(), "", Command::render_long_help) {
        page.heading(&format!("`{name}`"))?;
        page.paragraph(&format!("```text\n{help}\n```"))?;
    }
    Ok(page.text)
}

/// The file of [`write_short_help`].
const SHORT_HELP: &str = "short-help.txt";

/// Writes what `-h` prints of every command into a folder. A test compares it.
pub(crate) fn write_short_help(folder: &Path) -> anyhow::Result<()> {
    let mut text = String::from("Made by `unlearn manual --form short-help`: what `-h` prints of every command.\n");
    for (name, help) in helps(Arguments::command(), "", Command::render_help) {
        write!(text, "\n$ {name} -h\n{help}\n")?;
    }
    let path = folder.join(SHORT_HELP);
    fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))
}

/// The full name of a command and its help, 100 columns wide; then those of its subcommands.
fn helps(command: Command, before: &str, render: fn(&mut Command) -> StyledStr) -> Vec<(String, String)> {
    let name = format!("{before}{}", command.get_name());
    let mut command = command.bin_name(&name).term_width(100).disable_help_subcommand(true);
    // This also hands the options of all commands on to the subcommands.
    let help = render(&mut command).to_string().trim().to_owned();
    let subs = command.get_subcommands().filter(|sub| sub.get_name() != "help").cloned();
    let subs: Vec<_> = subs.flat_map(|sub| helps(sub, &format!("{name} "), render)).collect();
    std::iter::once((name, help)).chain(subs).collect()
}

/// A page in Markdown.
struct Page {
    text: String,
}

impl Page {
    fn new(title: &str, lead: &str) -> Self {
        Self { text: format!("<!-- Made by `unlearn manual --form markdown`. -->\n\n# {title}\n\n{lead}\n") }
    }

    fn heading(&mut self, title: &str) -> fmt::Result {
        writeln!(self.text, "\n## {title}")
    }

    fn entry(&mut self, name: &str, summary: &str, source: &str) -> fmt::Result {
        writeln!(self.text, "\n### `{name}`\n\n{}.\n\nSource: {source}", sentence(summary))
    }

    fn paragraph(&mut self, text: &str) -> fmt::Result {
        writeln!(self.text, "\n{text}")
    }

    /// Begins a table.
    fn table(&mut self, heads: &[&str]) -> fmt::Result {
        writeln!(self.text, "\n| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()))
    }

    fn row(&mut self, cells: &[&dyn fmt::Display]) -> fmt::Result {
        self.text.push('|');
        for cell in cells {
            // A bar would end the cell.
            write!(self.text, " {} |", cell.to_string().replace('|', "\\|"))?;
        }
        writeln!(self.text)
    }

    fn parameters(&mut self, parameters: &[Parameter]) -> fmt::Result {
        if parameters.is_empty() {
            return Ok(());
        }
        self.table(&["setting", "meaning", "range"])?;
        parameters
            .iter()
            .try_for_each(|Parameter { key, meaning, range }| self.row(&[&format!("`{key}`"), meaning, range]))
    }
}

/// Text with a capital letter.
fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A value in a table.
fn code(value: &str) -> String {
    // A value that is no value of JSON is a sentence.
    if value.is_empty() || value == AS_IN_TRAINING { value.to_owned() } else { format!("`{value}`") }
}
