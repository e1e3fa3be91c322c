//! `docs`: the documentation as a site, and its pages that are made from the registries.

use std::path::PathBuf;

use anyhow::Result;

use crate::{process, tools::MDBOOK, workspace};

/// Build the documentation's site with mdBook, into `target/docs-site`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// First write the pages in `docs/reference` again from the registries.
    #[arg(long)]
    remake: bool,
    /// The site's folder [default: target/docs-site].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    if args.remake {
        let words =
            ["run", "--quiet", "-p", "unlearn-cli", "--", "manual", "--form", "markdown", "--out", "docs/reference"];
        process::succeed(&mut process::cargo(&root, &words))?;
    }
    let mut mdbook = MDBOOK.command()?;
    mdbook.arg("build").arg(root.join("docs"));
    if let Some(out) = &args.out {
        mdbook.arg("--dest-dir").arg(std::path::absolute(out)?);
    }
    process::run(&mut mdbook)
}
