//! `bench`: time of a training step, alone or beside a peer in the same run, and the tables of the kernels.

mod child;
mod machine;
mod measurement;
mod peak;
mod peer;
mod scaling;
mod spread;
mod step;
mod table;
mod thresholds;

use anyhow::Result;
use clap::builder::RangedU64ValueParser;

/// Time training steps and evaluation passes, alone or beside PyTorch.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Step(step::Args),
    Peer(peer::Args),
    Scaling(scaling::Args),
    Thresholds(thresholds::Args),
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    match &args.what {
        What::Step(args) => step::run(args),
        What::Peer(args) => peer::run(args),
        What::Scaling(args) => scaling::run(args),
        What::Thresholds(args) => thresholds::run(args),
    }
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}
