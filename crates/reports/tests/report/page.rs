//! The page by itself.

use std::fs;

use crate::{configured, report};

#[test]
fn the_page_needs_nothing_else_and_is_escaped() {
    let (_folder, written) = report(&[1, 2], |index| index.configured = configured());
    let html = fs::read_to_string(written.unwrap().html).unwrap();
    for outside in ["<script ", "<link", "<img", "<iframe", "@import", "url(", "src="] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert_eq!(html.matches("<script>").count(), 1, "its own, which the policy allows by its hash");
    assert_eq!(html.matches("href=").count(), html.matches("href=\"#").count(), "every link stays on the page");
    for target in html.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert_eq!(html.matches(&format!("id=\"{target}\"")).count(), 1, "{target}");
    }
    assert!(html.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'"));
    assert_eq!(html.matches("http:").count(), html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
    assert!(html.contains("The paper’s table 1 &amp; its &lt;gaps&gt;") && html.contains("&lt;x&gt;"));
    assert!(!html.contains("<gaps>") && !html.contains("<x>"));
    assert_eq!(
        html.matches("<svg ").count(),
        2 * (5 + 3) + 2 * 2,
        "five figures for each of two forget sets with three pictures that weigh them, and two training curves for the models and for Retrain"
    );
    assert_eq!(html.matches("<svg ").count(), html.matches("</svg>").count());
    for text in ["0123abc", "undecided", "seeds", "95 % omp", "prefers-color-scheme: dark", "width=device-width"] {
        assert!(html.contains(text), "{text}");
    }
}
