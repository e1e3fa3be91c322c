//! The positions of the images that a suite trains on. A request to forget may list them.

use std::sync::Arc;

use unlearn_samples::Dataset;

use crate::{Error, Materials, Result, Suite};

/// A part of the official training set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Images that are trained on.
    Training,
    /// Images that are held out to choose checkpoints.
    Validation,
}

impl Suite {
    /// The dataset, and the ascending positions of the images that are in `part` for every one of `seeds` (seeds of
    /// runs).
    ///
    /// # Errors
    /// If the dataset cannot be opened, or the suite's split cannot be drawn.
    pub fn positions(&self, materials: &Materials, part: Part, seeds: &[u64]) -> Result<(Arc<Dataset>, Vec<u32>)> {
        let refuse = |reason: String| Error::Suite { path: self.path.clone(), reason };
        let dataset = materials.images(&self.data).map_err(refuse)?;
        let mut times = vec![0; dataset.train.len()];
        for seed in seeds {
            let data = self.data.clean().resolved(*seed, self.folder()).map_err(refuse)?;
            let split = data.split(&dataset).map_err(|error| refuse(format!("[data]: {error}")))?;
            let positions = match part {
                Part::Training => split.train,
                Part::Validation => split.validation,
            };
            for position in positions {
                times[position as usize] += 1;
            }
        }
        let in_all = (0..).zip(&times).filter(|(_, times)| **times == seeds.len()).map(|(position, _)| position);
        let positions = in_all.collect();
        Ok((dataset, positions))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Environment;

    const TEXT: &str = "[suite]\nname = \"s\"\nseeds = [1, 5]\n[data]\nname = \"fashion-mnist-mini\"\n[model]\narch = \"resnet8s\"\n[train]\nepochs = 1\n";

    #[test]
    fn positions_are_those_that_every_seed_trains_on() {
        let suite = Suite::parse(TEXT, Path::new("s.toml"), &[]).unwrap();
        let materials = Materials::new(Environment::default());
        let positions = |part, seeds: &[u64]| suite.positions(&materials, part, seeds).unwrap().1;
        let [one, five] = [[1], [5]].map(|seeds| positions(Part::Training, &seeds));
        assert_eq!((one.len(), five.len()), (7200, 7200));
        let held_out = positions(Part::Validation, &[1]);
        assert!(held_out.len() == 800 && held_out.iter().all(|position| !one.contains(position)));
        let both = positions(Part::Training, &[1, 5]);
        assert_eq!(both, one.iter().copied().filter(|position| five.contains(position)).collect::<Vec<_>>());
        assert!(both.len() < 7200 && both.is_sorted());
        // The split that a plan of the suite draws.
        let dataset = materials.dataset("fashion-mnist-mini").unwrap();
        assert_eq!(suite.data.resolved(5, Path::new("")).unwrap().split(&dataset).unwrap().train, five);
    }
}
