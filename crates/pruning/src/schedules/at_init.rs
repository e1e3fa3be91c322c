//! `at-init`: scores and prunes the untrained network, then trains it once with the whole recipe (Lee et al. 2019,
//! arXiv 1810.02340; Tanaka et al. 2020, arXiv 2006.05467). The dense model is not used.

use crate::{
    Outcome, Request, Result, Rewind, Settings,
    method::Schedule,
    settings::{Config, NoKeys},
};

pub(super) struct AtInit;

impl Schedule for AtInit {
    const NAME: &'static str = "at-init";
    const SUMMARY: &'static str = "prune the untrained network, then train it once";
    const SOURCE: &'static str = "Lee et al. 2019, arXiv 1810.02340; Tanaka et al. 2020, arXiv 2006.05467";
    type Keys = NoKeys;

    fn defaults() -> Config<NoKeys> {
        let shared = Settings { criterion: "synflow".into(), rewind: Rewind::Lt, ..Settings::default() };
        Config { shared, own: NoKeys {} }
    }

    fn check(config: &Config<NoKeys>) -> std::result::Result<(), String> {
        config.shared.require_rewind(Rewind::Lt, "pruning at initialisation has the initial weights only")
    }

    fn run(Config { shared, .. }: &Config<NoKeys>, request: &mut Request<'_>) -> Result<Outcome> {
        let start_epoch = request.rewind::<Self>(shared)?;
        let mask = request.prune(shared, shared.sparsity)?;
        let epochs = request.retrain(start_epoch, request.task.session)?;
        Ok(Outcome { mask, epochs })
    }
}
