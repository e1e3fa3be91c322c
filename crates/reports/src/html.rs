//! `report.html`: one page that needs nothing else. Pictures are inline SVG, the style sheet is inline, there is no script.

use std::fmt::Write;

use unlearn_metrics::{Figure, Figures, Verdict};
use unlearn_run_store::Tuning;

use crate::claims::{Claim, NOTE, word};
use crate::curves::{Curve, FIGURES, lines, readable};
use crate::density::densities;
use crate::drift::{self, Drift};
use crate::error::Result;
use crate::plots::{are_readable, dots, palette, pictured};
use crate::prunings::Pruning;
use crate::results::{RETRAIN, ResultRow, Results, distinct};
use crate::summary::{Block, Cell, Variant, blocks, sparsity_label};
use crate::sweep::{Sweep, intervals};
use crate::table::{Grid, figure, further, legend as meanings, note, shown};
use crate::{published, tuning};

/// The page.
///
/// # Errors
/// [`crate::ReportError::Plot`].
pub fn page(results: &Results, curves: &[Curve]) -> Result<String> {
    let title = escape(results.title.as_deref().unwrap_or(&results.suite));
    let blocks = blocks(&results.rows);
    let mut body = String::new();
    let _ = writeln!(
        body,
        "<header>\n<p class=\"kicker\">Machine unlearning after pruning · suite {}</p>",
        escape(&results.suite)
    );
    let _ = writeln!(body, "<h1>{title}</h1>\n{}{}</header>", headline(results), facts(results, &blocks));
    for block in &blocks {
        body += &section(block, &results.figures)?;
    }
    if let Some(drift) = &results.drift {
        body += &drifts(drift)?;
    }
    body += &results.tuning.as_ref().map(tuned).unwrap_or_default();
    body += &prunings(&results.prunings)?;
    body += &claims(&results.claims);
    body += &training(curves)?;
    body += &provenance(results);
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} – unlearn</title>\n<style>\n{}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        include_str!("style.css")
    ))
}

/// Makes text safe inside an element and inside a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// The suite in one sentence: what became of the paper's first claim.
fn headline(results: &Results) -> String {
    let Some(claim) = results.claims.iter().find(|claim| claim.id == "C1") else { return String::new() };
    let opening = match claim.verdict {
        Verdict::Holds => "Pruning first brings approximate unlearning closer to retraining.",
        Verdict::Fails => "Here, pruning first does not bring approximate unlearning closer to retraining.",
        Verdict::Undecided => {
            "Whether pruning first brings approximate unlearning closer to retraining is undecided here."
        }
    };
    format!("<p class=\"headline\">{opening} Average gap: {}.</p>\n", escape(&claim.detail))
}

fn facts(results: &Results, blocks: &[Block]) -> String {
    let named = |of: fn(&ResultRow) -> &str| distinct(results.rows.iter().map(of)).join(", ");
    let mut variants: Vec<&Variant> = blocks.iter().flat_map(|block| &block.variants).collect();
    variants.sort_by(|one, other| one.sparsity.total_cmp(&other.sparsity));
    let prunings =
        distinct(variants.iter().filter(|one| one.sparsity > 0.0).map(|one| one.pruning.as_str())).join(", ");
    let sparsities = distinct(variants.iter().map(|one| sparsity_label(one.sparsity))).join(", ");
    let sparsities = if prunings.is_empty() { sparsities } else { format!("{sparsities} ({prunings})") };
    let seeds = results.seeds();
    let listed = seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let entries = [
        ("Data", named(|row| &row.dataset)),
        ("Architecture", named(|row| &row.arch)),
        ("Sparsity", sparsities),
        ("To forget", named(|row| &row.forget)),
        ("Methods", named(|row| &row.method)),
        (if seeds.len() == 1 { "Seed" } else { "Seeds" }, listed),
    ];
    let entries =
        entries.map(|(term, text)| format!("<div><dt>{term}</dt><dd>{}</dd></div>\n", escape(&text))).concat();
    format!("<dl class=\"facts\">\n{entries}</dl>\n")
}

/// One forget set: pictures, then the table.
fn section(block: &Block, figures: &Figures) -> Result<String> {
    let mut html = format!("<section>\n<h2>{}</h2>\n", escape(&block.title()));
    if are_readable(block) {
        let pictures = panels(
            figures,
            |figure| dots(block, figure),
            |label| format!("{label} of each method for {}", block.title()),
        );
        let _ = writeln!(html, "<div class=\"panels\">\n{}{}</div>", legend(block), pictures?);
    }
    if let Some(sweep) = Sweep::of(block) {
        for line in sweep.methods() {
            let method = escape(&line.method);
            let pictures = panels(
                figures,
                |figure| sweep.panel(line, figure),
                |label| format!("{label} of {} over sparsity for {}", line.method, block.title()),
            );
            let legend = sweep_legend(block);
            let _ =
                writeln!(html, "<h3>{method} over sparsity</h3>\n<div class=\"panels\">\n{legend}{}</div>", pictures?);
        }
    }
    let _ =
        writeln!(html, "{}<p class=\"note\">{}</p>", table(block, &figures.in_table()), escape(&note(block, figures)));
    let further = further(block, figures);
    if !further.is_empty() {
        let table = table(block, &further);
        let _ =
            writeln!(html, "<h3>Further figures</h3>\n{table}<p class=\"note\">{}</p>", escape(&meanings(&further)));
    }
    if let Some(published) = published::beside(block) {
        let _ = writeln!(html, "{}<p class=\"note\">{}</p>", grid(&published), published::NOTE);
    }
    html += "</section>\n";
    Ok(html)
}

/// A picture per figure, with its heading and the name that `label` gives it.
fn panels(
    figures: &Figures,
    picture: impl Fn(&Figure) -> Result<Option<String>>,
    label: impl Fn(&str) -> String,
) -> Result<String> {
    let mut html = String::new();
    for figure in pictured(figures) {
        if let Some(svg) = picture(figure)? {
            let (heading, meaning) = (escape(&figure.label), escape(&figure.meaning));
            let _ = writeln!(
                html,
                "<figure><figcaption><b>{heading}</b><small>{meaning}</small></figcaption>{}</figure>",
                labelled(&svg, &label(&figure.label))
            );
        }
    }
    Ok(html)
}

/// How to read the dots, as the first of their panels.
fn legend(block: &Block) -> String {
    let note = format!(
        "A dot per method; the closer to the dashed line of its colour, the closer to a model that never saw the forgotten data. {}",
        intervals(block)
    );
    keys(block.variants.iter().map(Variant::label), block, &note)
}

/// How to read the pictures over sparsity, as the first of their panels.
fn sweep_legend(block: &Block) -> String {
    let note = format!(
        "A line per way to prune, all from the dense model; the closer to the dashed line of its colour, the closer to a model that was \
         pruned the same way and never saw the forgotten data. The steps of sparsity are drawn equally wide. {}",
        intervals(block)
    );
    keys(block.prunings().into_iter().map(str::to_owned), block, &note)
}

fn keys(series: impl Iterator<Item = String>, block: &Block, note: &str) -> String {
    let mut html = "<div class=\"legend\"><ul>".to_owned();
    for (position, name) in series.enumerate() {
        let _ = write!(html, "<li><span class=\"key s{}\"></span>{}</li>", palette(position), escape(&name));
    }
    if block.line(RETRAIN).is_some() {
        html += "<li><span class=\"key dash\"></span>Retrain, the value to reach</li>";
    }
    let _ = writeln!(html, "</ul><p class=\"note\">{note}</p></div>");
    html
}

fn table(block: &Block, columns: &[&Figure]) -> String {
    let mut html =
        "<div class=\"scroll\"><table>\n<thead><tr><th class=\"left\">Method</th><th class=\"left\">Model</th>"
            .to_owned();
    for figure in columns {
        let _ = write!(html, "<th title=\"{}\">{}</th>", escape(&figure.meaning), escape(&figure.heading()));
    }
    html += "</tr></thead>\n";
    for line in &block.lines {
        html += "<tbody>";
        let present: Vec<(&Variant, &Cell)> = block
            .variants
            .iter()
            .zip(&line.cells)
            .filter_map(|(variant, cell)| Some((variant, cell.as_ref()?)))
            .collect();
        for (position, (variant, cell)) in present.iter().enumerate() {
            // Many models are read a sparsity at a time.
            let steps = !are_readable(block) && position > 0 && present[position - 1].0.sparsity != variant.sparsity;
            html += if steps { "<tr class=\"step\">" } else { "<tr>" };
            if position == 0 {
                let (rows, method) = (present.len(), escape(&line.method));
                let _ = write!(html, "<th scope=\"rowgroup\" class=\"left\" rowspan=\"{rows}\">{method}</th>");
            }
            let _ = write!(html, "<td class=\"left\">{}</td>", escape(&variant.label()));
            for figure in columns {
                let spread = cell.spread(&figure.name);
                let text = spread.map_or_else(|| "–".to_owned(), |estimate| shown(figure, &estimate));
                let gap = cell.gap(figure).filter(|_| line.method != RETRAIN);
                let gap = gap.map(|gap| format!("<small>({})</small>", figure.shown(gap))).unwrap_or_default();
                let _ = write!(html, "<td>{text}{gap}</td>");
            }
            html += "</tr>";
        }
        html += "</tbody>\n";
    }
    html + "</table></div>\n"
}

/// The claims, each with its parts (`C1/…`) folded away where it has a whole (`C1`).
fn claims(claims: &[Claim]) -> String {
    if claims.is_empty() {
        return String::new();
    }
    let mut html =
        format!("<section>\n<h2>Claims of the paper</h2>\n<p class=\"note\">{NOTE}</p>\n<ul class=\"claims\">\n");
    for claim in claims.iter().filter(|claim| !claim.is_part(claims)) {
        let _ = write!(html, "<li>{}", one(claim));
        let parts: Vec<&Claim> = claims.iter().filter(|part| part.id.starts_with(&format!("{}/", claim.id))).collect();
        if !parts.is_empty() {
            let count = if parts.len() == 1 { "part".to_owned() } else { format!("{} parts", parts.len()) };
            let _ = write!(html, "<details><summary>its {count}</summary><ul>");
            for part in parts {
                let _ = write!(html, "<li>{}</li>", one(part));
            }
            html += "</ul></details>";
        }
        html += "</li>\n";
    }
    html + "</ul>\n</section>\n"
}

fn one(claim: &Claim) -> String {
    let mark = match claim.verdict {
        Verdict::Holds => "✓",
        Verdict::Fails => "✗",
        Verdict::Undecided => "?",
    };
    let (word, id) = (word(claim.verdict), escape(&claim.id));
    let (statement, detail) = (escape(&claim.statement), escape(&claim.detail));
    format!(
        "<p><span class=\"verdict {word}\">{mark} {word}</span>{statement} <span class=\"id\">{id}</span></p>\
         <p class=\"note\">{detail}</p>"
    )
}

/// Pictures and a table per sequence of requests.
fn drifts(drift: &Drift) -> Result<String> {
    let mut html =
        format!("<section>\n<h2>Drift over requests</h2>\n<p class=\"note\">{}</p>\n", escape(&drift.note()));
    for group in drift.groups() {
        let _ = writeln!(html, "<h3>{}</h3>\n<div class=\"panels\">", escape(&group[0].title()));
        for model in distinct(group.iter().map(|line| line.model())) {
            let lines: Vec<_> = group.iter().filter(|line| line.model() == model).copied().collect();
            let svg =
                labelled(&drift::picture(&lines, drift.threshold)?, &format!("Average gap over requests, {model}"));
            let _ = writeln!(
                html,
                "<figure><figcaption><b>{}</b><small>average gap to Retrain, points; dashed: a full retrain is due</small></figcaption>{svg}\
                 </figure>",
                escape(&model)
            );
        }
        let _ = writeln!(html, "</div>\n{}<ol class=\"note\">", grid(&drift::grid(&group)));
        for point in group.iter().max_by_key(|line| line.points.len()).into_iter().flat_map(|line| &line.points) {
            let _ = write!(html, "<li>{}</li>", escape(&point.forget));
        }
        html += "</ol>\n";
    }
    Ok(html + "</section>\n")
}

/// The search that chose the settings: what won, and folded away what it was chosen from.
fn tuned(tuning: &Tuning) -> String {
    let space =
        tuning::space(tuning).iter().map(|line| format!("<li>{}</li>", escape(line))).collect::<Vec<_>>().concat();
    format!(
        "<section>\n<h2>Settings that a search chose</h2>\n<p class=\"note\">{}</p>\n{}<details><summary>the search space</summary><ul \
         class=\"note\">{space}</ul></details>\n<details><summary>its {} trials</summary>{}</details>\n</section>\n",
        escape(&tuning::criterion(tuning)),
        grid(&tuning::chosen(tuning)),
        tuning.trials.len(),
        grid(&tuning::trials(tuning)),
    )
}

/// A grid as a table.
fn grid(grid: &Grid) -> String {
    let row = |tag: &str, cells: &[String]| {
        let cell = |(column, text): (usize, &String)| {
            let class = if column < grid.names { " class=\"left\"" } else { "" };
            format!("<{tag}{class}>{}</{tag}>", escape(text))
        };
        format!("<tr>{}</tr>", cells.iter().enumerate().map(cell).collect::<String>())
    };
    let body: String = grid.lines.iter().map(|line| row("td", line)).collect();
    format!(
        "<div class=\"scroll\"><table>\n<thead>{}</thead>\n<tbody>{body}</tbody>\n</table></div>\n",
        row("th", &grid.head)
    )
}

/// Table and pictures of what the prunings left.
fn prunings(prunings: &[Pruning]) -> Result<String> {
    if prunings.is_empty() {
        return Ok(String::new());
    }
    let mut html = "<section>\n<h2>What pruning left</h2>\n".to_owned();
    let gathered = densities(prunings);
    for model in &gathered {
        if gathered.len() > 1 {
            let _ = writeln!(html, "<h3>{} on {}</h3>", escape(&model.arch), escape(&model.dataset));
        }
        html += "<div class=\"panels\">\n";
        for method in model.methods() {
            let svg = labelled(&model.picture(method)?, &format!("Density by layer of {method}"));
            let _ = writeln!(
                html,
                "<figure><figcaption><b>{}</b><small>parameters kept by layer, a line per sparsity</small></figcaption>{svg}</figure>",
                escape(method)
            );
        }
        html += "</div>\n<div class=\"scroll\"><table class=\"narrow\">\n<thead><tr><th class=\"left\">Model</th><th>Parameters kept, \
                 %</th><th>Operations kept, %</th></tr></thead>\n";
        for method in model.methods() {
            html += "<tbody>";
            for line in model.lines.iter().filter(|line| line.variant.pruning == method) {
                let (label, operations) = (escape(&line.variant.label()), figure(&line.operations));
                let parameters = line.parameters.mean;
                let _ = write!(
                    html,
                    "<tr><td class=\"left\">{label}</td><td>{parameters:.2}</td><td>{operations}</td></tr>"
                );
            }
            html += "</tbody>\n";
        }
        html += "</table></div>\n";
    }
    html += "<p class=\"note\">Of the layers that pruning covers: weights that are kept, and multiply-accumulates of a forward pass that use \
             one of them. Means over seeds; the densities of every layer and seed are in results.json.</p>\n</section>\n";
    Ok(html)
}

fn training(curves: &[Curve]) -> Result<String> {
    let shown = readable(curves);
    let mut figures = String::new();
    for (figure, heading) in FIGURES {
        if let Some(svg) = lines(&shown, figure)? {
            let svg = labelled(&svg, &format!("{heading} by epoch"));
            let _ = writeln!(figures, "<figure><figcaption><b>{heading}</b></figcaption>{svg}</figure>");
        }
    }
    if figures.is_empty() {
        return Ok(String::new());
    }
    let note = if shown.len() < curves.len() {
        "<p class=\"note\">Of many models, only dense training and for each way to prune the sparsity closest to 95 %. A pruning in rounds shows \
         its last.</p>\n"
    } else {
        ""
    };
    Ok(format!(
        "<section>\n<h2>How the models were trained</h2>\n{note}<div class=\"panels\">\n{figures}</div>\n</section>\n"
    ))
}

fn provenance(results: &Results) -> String {
    let provenance = &results.provenance;
    let mut entries = format!("<dt>Command</dt><dd><pre>{}</pre></dd>\n", escape(&provenance.command));
    let mut entry = |term: &str, text: &str| {
        let _ = writeln!(entries, "<dt>{term}</dt><dd>{}</dd>", escape(text));
    };
    entry("Date", &provenance.date);
    if let Some(commit) = &provenance.commit {
        entry("Commit", commit);
    }
    entry("Version", &provenance.versions.join(", "));
    for machine in &provenance.machines {
        entry("Machine", &format!("{}, {} hardware threads, {}", machine.cpu, machine.cores, machine.os));
    }
    for text in &provenance.notes {
        entry("Note", text);
    }
    format!(
        "<section>\n<h2>Where this comes from</h2>\n<dl class=\"provenance\">\n{entries}</dl>\n<p class=\"note\">All figures, unrounded: \
         results.json and results.csv beside this page.</p>\n</section>\n"
    )
}

/// Gives a picture a name for those who listen to the page.
fn labelled(svg: &str, label: &str) -> String {
    svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{}\" ", escape(label)), 1)
}
