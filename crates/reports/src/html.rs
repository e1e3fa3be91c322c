//! `report.html`: one page that needs nothing else. Pictures are inline SVG, the style sheet is inline, there is no script.

use std::fmt::Write;

use unlearn_metrics::Verdict;

use crate::claims::{Claim, word};
use crate::curves::{Curve, FIGURES, lines};
use crate::error::Result;
use crate::metric::Metric;
use crate::plots::{dots, palette};
use crate::results::{RETRAIN, ResultRow, Results, distinct};
use crate::summary::{Block, Cell, Variant, blocks};
use crate::table::{figure, note};

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
        body += &section(block)?;
    }
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
    let sparsities = distinct(variants.into_iter().map(Variant::label)).join(", ");
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
fn section(block: &Block) -> Result<String> {
    let mut html = format!("<section>\n<h2>{}</h2>\n<div class=\"panels\">\n{}", escape(&block.title()), legend(block));
    for metric in Metric::PICTURED {
        if let Some(svg) = dots(block, metric)? {
            let (label, meaning) = (metric.label(), metric.meaning());
            let _ = writeln!(
                html,
                "<figure><figcaption><b>{label}</b><small>{meaning}</small></figcaption>{}</figure>",
                labelled(&svg, &format!("{label} of each method for {}", block.title()))
            );
        }
    }
    let _ = writeln!(html, "</div>\n{}<p class=\"note\">{}</p>\n</section>", table(block), note(block));
    Ok(html)
}

/// How to read the pictures, as the first of their panels.
fn legend(block: &Block) -> String {
    let mut html = "<div class=\"legend\"><ul>".to_owned();
    for (position, variant) in block.variants.iter().enumerate() {
        let _ = write!(html, "<li><span class=\"key s{}\"></span>{}</li>", palette(position), escape(&variant.label()));
    }
    if block.line(RETRAIN).is_some() {
        html += "<li><span class=\"key dash\"></span>Retrain, the value to reach</li>";
    }
    let bars =
        if block.seeds() > 1 { "Bars are 95 % confidence intervals." } else { "One seed, so no confidence intervals." };
    let _ = writeln!(
        html,
        "</ul><p class=\"note\">A dot per method; the closer to the dashed line of its colour, the closer to a model \
                            that never saw the forgotten data. {bars}</p></div>"
    );
    html
}

fn table(block: &Block) -> String {
    let mut html =
        "<div class=\"scroll\"><table>\n<thead><tr><th class=\"left\">Method</th><th class=\"left\">Model</th>"
            .to_owned();
    for metric in Metric::COLUMNS {
        let _ = write!(html, "<th title=\"{}\">{}</th>", escape(metric.meaning()), metric.label());
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
            html += "<tr>";
            if position == 0 {
                let (rows, method) = (present.len(), escape(&line.method));
                let _ = write!(html, "<th scope=\"rowgroup\" class=\"left\" rowspan=\"{rows}\">{method}</th>");
            }
            let _ = write!(html, "<td class=\"left\">{}</td>", escape(&variant.label()));
            for metric in Metric::COLUMNS {
                let text = cell.estimate(metric).map_or_else(|| "–".to_owned(), |estimate| figure(&estimate));
                let gap = cell.gap(metric).filter(|_| line.method != RETRAIN);
                let gap = gap.map(|gap| format!("<small>({gap:.2})</small>")).unwrap_or_default();
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
    let family = |claim: &Claim| claim.id.split('/').next().unwrap_or_default().to_owned();
    let wholes: Vec<&str> =
        claims.iter().filter(|claim| !claim.id.contains('/')).map(|claim| claim.id.as_str()).collect();
    let mut html = "<section>\n<h2>Claims of the paper</h2>\n<p class=\"note\">Judged on differences paired by seed: a claim holds \
                    when the whole 95 % confidence interval is on its side, and one seed decides nothing. S1 and S2 check the experiment \
                    itself.</p>\n<ul class=\"claims\">\n"
        .to_owned();
    for claim in claims.iter().filter(|claim| !claim.id.contains('/') || !wholes.contains(&family(claim).as_str())) {
        let _ = write!(html, "<li>{}", one(claim));
        let parts: Vec<&Claim> = claims.iter().filter(|part| part.id.starts_with(&format!("{}/", claim.id))).collect();
        if !parts.is_empty() {
            let _ = write!(html, "<details><summary>its {} parts</summary><ul>", parts.len());
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

fn training(curves: &[Curve]) -> Result<String> {
    let mut figures = String::new();
    for (figure, heading) in FIGURES {
        if let Some(svg) = lines(curves, figure)? {
            let svg = labelled(&svg, &format!("{heading} by epoch"));
            let _ = writeln!(figures, "<figure><figcaption><b>{heading}</b></figcaption>{svg}</figure>");
        }
    }
    if figures.is_empty() {
        return Ok(String::new());
    }
    Ok(format!(
        "<section>\n<h2>How the models were trained</h2>\n<div class=\"panels\">\n{figures}</div>\n</section>\n"
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
