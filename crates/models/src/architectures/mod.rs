//! Architectures, one file per family; the registry is [`ARCHITECTURES`].

mod resnet;
mod resnet_s;
mod swin;
mod vgg;
mod vit;

use std::sync::Arc;

use unlearn_network::Graph;

use crate::{Error, Result};

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
    /// The paper that describes it.
    pub source: &'static str,
    /// Least height and width of the images, in pixels.
    pub minimum_side: usize,
    /// The number that height and width must be multiples of, given the longer of them.
    side_step: fn(usize) -> usize,
    build: fn(&'static str, &InputSpec) -> Graph,
}

/// All architectures by family, smallest first.
pub static ARCHITECTURES: &[Architecture] = &[
    Architecture {
        name: "resnet8s",
        summary: "ResNet for small images, one block a stage, 16-32-64 channels, option-A shortcuts",
        source: "He et al. 2016, arXiv 1512.03385, section 4.2 (n = 1)",
        minimum_side: 4,
        side_step: any_side,
        build: |name, input| resnet_s::build(name, input, 1),
    },
    Architecture {
        name: "resnet20s",
        summary: "ResNet for small images, three blocks a stage, 16-32-64 channels, option-A shortcuts",
        source: "He et al. 2016, arXiv 1512.03385, section 4.2 (n = 3)",
        minimum_side: 4,
        side_step: any_side,
        build: |name, input| resnet_s::build(name, input, 3),
    },
    Architecture {
        name: "resnet32s",
        summary: "ResNet for small images, five blocks a stage, 16-32-64 channels, option-A shortcuts",
        source: "He et al. 2016, arXiv 1512.03385, section 4.2 (n = 5)",
        minimum_side: 4,
        side_step: any_side,
        build: |name, input| resnet_s::build(name, input, 5),
    },
    Architecture {
        name: "resnet44s",
        summary: "ResNet for small images, seven blocks a stage, 16-32-64 channels, option-A shortcuts",
        source: "He et al. 2016, arXiv 1512.03385, section 4.2 (n = 7)",
        minimum_side: 4,
        side_step: any_side,
        build: |name, input| resnet_s::build(name, input, 7),
    },
    Architecture {
        name: "resnet56s",
        summary: "ResNet for small images, nine blocks a stage, 16-32-64 channels, option-A shortcuts",
        source: "He et al. 2016, arXiv 1512.03385, section 4.2 (n = 9)",
        minimum_side: 4,
        side_step: any_side,
        build: |name, input| resnet_s::build(name, input, 9),
    },
    Architecture {
        name: "resnet110s",
        summary: "ResNet for small images, 18 blocks a stage, 16-32-64 channels, option-A shortcuts",
        source: "He et al. 2016, arXiv 1512.03385, section 4.2 (n = 18)",
        minimum_side: 4,
        side_step: any_side,
        build: |name, input| resnet_s::build(name, input, 18),
    },
    Architecture {
        name: "resnet18",
        summary: "ResNet of basic blocks, 64 to 512 channels; stem for CIFAR up to 64 pixels a side, else for ImageNet",
        source: "He et al. 2016, arXiv 1512.03385, table 1",
        minimum_side: 8,
        side_step: any_side,
        build: |name, input| resnet::build(name, input, resnet::Block::Basic, [2, 2, 2, 2]),
    },
    Architecture {
        name: "resnet34",
        summary: "resnet18 with 16 basic blocks instead of 8",
        source: "He et al. 2016, arXiv 1512.03385, table 1",
        minimum_side: 8,
        side_step: any_side,
        build: |name, input| resnet::build(name, input, resnet::Block::Basic, [3, 4, 6, 3]),
    },
    Architecture {
        name: "resnet50",
        summary: "ResNet of 16 bottlenecks, 256 to 2048 channels; stem as resnet18's",
        source: "He et al. 2016, arXiv 1512.03385, table 1",
        minimum_side: 8,
        side_step: any_side,
        build: |name, input| resnet::build(name, input, resnet::BOTTLENECK, [3, 4, 6, 3]),
    },
    Architecture {
        name: "resnet101",
        summary: "resnet50 with 33 bottlenecks",
        source: "He et al. 2016, arXiv 1512.03385, table 1",
        minimum_side: 8,
        side_step: any_side,
        build: |name, input| resnet::build(name, input, resnet::BOTTLENECK, [3, 4, 23, 3]),
    },
    Architecture {
        name: "resnet152",
        summary: "resnet50 with 50 bottlenecks",
        source: "He et al. 2016, arXiv 1512.03385, table 1",
        minimum_side: 8,
        side_step: any_side,
        build: |name, input| resnet::build(name, input, resnet::BOTTLENECK, [3, 8, 36, 3]),
    },
    Architecture {
        name: "resnext50_32x4d",
        summary: "resnet50 whose 3×3 convolutions have 32 groups of 4 channels in the first stage",
        source: "Xie et al. 2017, arXiv 1611.05431, table 1",
        minimum_side: 8,
        side_step: any_side,
        build: |name, input| {
            resnet::build(name, input, resnet::Block::Bottleneck { groups: 32, width: 128 }, [3, 4, 6, 3])
        },
    },
    Architecture {
        name: "wide_resnet50_2",
        summary: "resnet50 whose 3×3 convolutions are twice as wide",
        source: "Zagoruyko and Komodakis 2016, arXiv 1605.07146",
        minimum_side: 8,
        side_step: any_side,
        build: |name, input| {
            resnet::build(name, input, resnet::Block::Bottleneck { groups: 1, width: 128 }, [3, 4, 6, 3])
        },
    },
    Architecture {
        name: "vgg16_bn",
        summary: "VGG-16 with batch normalisation and a head of 512, 512 and one value per class",
        source: "Simonyan and Zisserman 2015, arXiv 1409.1556, column D",
        minimum_side: 32,
        side_step: any_side,
        build: vgg::build,
    },
    Architecture {
        name: "vgg16_bn_lth",
        summary: "VGG-16 with batch normalisation and a single fully connected layer",
        source: "Simonyan and Zisserman 2015, arXiv 1409.1556, column D",
        minimum_side: 32,
        side_step: any_side,
        build: vgg::build_lth,
    },
    Architecture {
        name: "vit_tiny",
        summary: "vision transformer of 192 features and 3 heads; patches of 4 up to 64 pixels a side, else of 16",
        source: "Dosovitskiy et al. 2021, arXiv 2010.11929; Touvron et al. 2021, arXiv 2012.12877, table 1",
        minimum_side: 4,
        side_step: vit::patch,
        build: |name, input| vit::build(name, input, 192, 3),
    },
    Architecture {
        name: "vit_small",
        summary: "vit_tiny with 384 features and 6 heads",
        source: "Dosovitskiy et al. 2021, arXiv 2010.11929; Touvron et al. 2021, arXiv 2012.12877, table 1",
        minimum_side: 4,
        side_step: vit::patch,
        build: |name, input| vit::build(name, input, 384, 6),
    },
    Architecture {
        name: "swin_t",
        summary: "transformer of shifted windows, 96 to 768 features; windows of 4 up to 64 pixels a side, else of 7",
        source: "Liu et al. 2021, arXiv 2103.14030, section 3.3",
        minimum_side: 32,
        side_step: swin::step,
        build: swin::build,
    },
];

/// Convolutions accept images of any side.
fn any_side(_: usize) -> usize {
    1
}

/// Looks an architecture up.
///
/// # Errors
/// An unknown name; the error lists the valid ones.
pub fn find(name: &str) -> Result<&'static Architecture> {
    Ok(unlearn_names::find("architecture", name, ARCHITECTURES, |architecture| architecture.name)?)
}

impl Architecture {
    /// The graph for data of this kind.
    ///
    /// # Errors
    /// Images smaller than [`Architecture::minimum_side`], or of a side that patches or windows do not tile.
    pub fn graph(&self, input: &InputSpec) -> Result<Arc<Graph>> {
        let [_, height, width] = input.shape;
        if height.min(width) < self.minimum_side {
            return Err(Error::ImageTooSmall { arch: self.name, minimum: self.minimum_side, height, width });
        }
        let step = (self.side_step)(height.max(width));
        if !(height.is_multiple_of(step) && width.is_multiple_of(step)) {
            return Err(Error::ImageSide { arch: self.name, step, height, width });
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
    fn the_least_images_fit_and_smaller_ones_are_refused() {
        for architecture in ARCHITECTURES {
            let with_side = |side| InputSpec { shape: [1, side, side], mean: vec![0.5], std: vec![0.25], ..cifar() };
            assert_eq!(architecture.graph(&with_side(architecture.minimum_side)).unwrap().classes(), 10);
            assert!(architecture.graph(&with_side(architecture.minimum_side - 1)).is_err());
        }
    }

    #[test]
    fn the_stem_follows_the_images() {
        for (side, kernel, last_side) in [(32, 3, 4), (64, 3, 8), (65, 7, 3), (224, 7, 7)] {
            let graph = find("resnet18").unwrap().graph(&InputSpec { shape: [3, side, side], ..cifar() }).unwrap();
            assert_eq!(graph.parameters[0].shape, [64, 3, kernel, kernel]);
            let last = graph.nodes.iter().rfind(|node| node.shape.len() == 3).unwrap();
            assert_eq!(last.shape, [512, last_side, last_side], "images of side {side}");
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
