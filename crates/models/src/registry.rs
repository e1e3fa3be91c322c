//! Every architecture by name.

use std::sync::Arc;

use unlearn_network::Graph;

use crate::{Error, Result, resnet_s};

/// What an architecture needs to know about the data.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSpec {
    /// `[channels, height, width]` of one image.
    pub shape: [usize; 3],
    /// Number of classes.
    pub classes: usize,
    /// Per-channel mean, subtracted inside the model.
    pub mean: Vec<f32>,
    /// Per-channel standard deviation, divided by inside the model.
    pub std: Vec<f32>,
}

/// One architecture.
pub struct Architecture {
    /// Name in configs, files and reports.
    pub name: &'static str,
    /// One line about it.
    pub summary: &'static str,
    /// Where it was published.
    pub source: &'static str,
    /// Least height and width of the images, in pixels.
    pub minimum_side: usize,
    build: fn(&'static str, &InputSpec) -> Graph,
}

/// All architectures, smallest first.
pub static ARCHITECTURES: &[Architecture] = &[
    Architecture {
        name: "resnet8s",
        summary: "ResNet for small images, one block a stage, 16-32-64 channels, option-A shortcuts",
        source: "He et al. 2016, arXiv 1512.03385, section 4.2 (n = 1)",
        minimum_side: 4,
        build: |name, input| resnet_s::build(name, input, 1),
    },
    Architecture {
        name: "resnet20s",
        summary: "ResNet for small images, three blocks a stage, 16-32-64 channels, option-A shortcuts",
        source: "He et al. 2016, arXiv 1512.03385, section 4.2 (n = 3)",
        minimum_side: 4,
        build: |name, input| resnet_s::build(name, input, 3),
    },
];

/// Looks an architecture up.
///
/// # Errors
/// An unknown name; the error lists the valid ones.
pub fn find(name: &str) -> Result<&'static Architecture> {
    ARCHITECTURES.iter().find(|a| a.name == name).ok_or_else(|| {
        let nearest = ARCHITECTURES.iter().map(|a| a.name).max_by(|a, b| {
            let similarity = |other: &str| strsim::jaro_winkler(other, name);
            similarity(a).total_cmp(&similarity(b))
        });
        let valid = ARCHITECTURES.iter().map(|a| a.name).collect::<Vec<_>>().join(", ");
        let suggestion = nearest.map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default();
        Error::UnknownArchitecture { name: name.into(), suggestion, valid }
    })
}

impl Architecture {
    /// The graph for data of this kind.
    ///
    /// # Errors
    /// Images smaller than [`Architecture::minimum_side`].
    pub fn graph(&self, input: &InputSpec) -> Result<Arc<Graph>> {
        let [_, height, width] = input.shape;
        if height.min(width) < self.minimum_side {
            return Err(Error::ImageTooSmall { arch: self.name, minimum: self.minimum_side, height, width });
        }
        Ok(Arc::new((self.build)(self.name, input)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cifar() -> InputSpec {
        InputSpec { shape: [3, 32, 32], classes: 10, mean: vec![0.5; 3], std: vec![0.25; 3] }
    }

    #[test]
    fn every_architecture_is_documented_uniquely_named_and_builds() {
        let mut names: Vec<_> = ARCHITECTURES.iter().map(|a| a.name).collect();
        names.dedup();
        assert_eq!(names.len(), ARCHITECTURES.len());
        for architecture in ARCHITECTURES {
            assert!(!architecture.summary.is_empty() && !architecture.source.is_empty());
            let graph = architecture.graph(&cifar()).unwrap();
            assert_eq!((graph.classes(), graph.input_shape()), (10, [3, 32, 32]));
        }
    }

    #[test]
    fn resnet20s_has_the_papers_parameter_count() {
        // He et al. 2016, table 6: 0.27 M; exactly, with option-A shortcuts: 269,722 (PyTorch, see shapes.py).
        assert_eq!(find("resnet20s").unwrap().graph(&cifar()).unwrap().parameter_count(), 269_722);
    }

    #[test]
    fn an_unknown_name_lists_the_valid_ones() {
        let message = find("resnet20").err().unwrap().to_string();
        assert!(message.contains("did you mean `resnet20s`") && message.contains("resnet8s"), "{message}");
    }
}
