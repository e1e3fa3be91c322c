//! `omp`: one-shot pruning. Trains the dense model, prunes it to the requested sparsity in one step, rewinds and
//! retrains (arXiv 2304.04934, section 4.1; Ma et al. 2021, arXiv 2107.00166).

use crate::{
    Outcome, Request, Result, Settings,
    method::Schedule,
    settings::{Config, NoKeys},
};

pub(super) struct Omp;

impl Schedule for Omp {
    const NAME: &'static str = "omp";
    const SUMMARY: &'static str = "one shot: train dense, prune, rewind, retrain";
    const SOURCE: &'static str = "Jia et al. 2023, arXiv 2304.04934, section 4.1";
    type Keys = NoKeys;

    fn defaults() -> Config<NoKeys> {
        Config { shared: Settings::default(), own: NoKeys {} }
    }

    fn check(_: &Config<NoKeys>) -> std::result::Result<(), String> {
        Ok(())
    }

    fn run(Config { shared, .. }: &Config<NoKeys>, request: &mut Request<'_>) -> Result<Outcome> {
        let mask = request.prune(shared, shared.sparsity)?;
        let start_epoch = request.rewind::<Self>(shared)?;
        let epochs = request.retrain(start_epoch, request.task.session)?;
        Ok(Outcome { mask, epochs })
    }
}
