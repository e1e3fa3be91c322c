//! Pictures of training samples, for reports: the data of a stage's model are opened again, and no model is run.

use unlearn_datasets::picture;
use unlearn_models::ImportOptions;
use unlearn_run_store::Stage;
use unlearn_samples::{Picture, Sides};

use crate::{
    materials::{Environment, Materials},
    opened::OpenedModel,
    setting::Setting,
};

/// Opens the data that models were trained on, each once.
#[derive(Debug, Default)]
pub struct Gallery {
    materials: Materials,
}

/// Pictures of samples, and the names of the classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// A PNG file for each sample.
    pub images: Vec<Vec<u8>>,
    /// Names of the classes.
    pub classes: Vec<String>,
}

impl Gallery {
    /// A gallery of the data in this environment. Nothing is opened yet.
    pub fn new(environment: Environment) -> Self {
        Self { materials: Materials::new(environment) }
    }

    /// The pictures at these positions of the training set of the model that `stage` made, as the model saw them: with the trigger of a
    /// backdoor, if there is one.
    ///
    /// # Errors
    /// A reason for users: the stage left no readable model, its data cannot be opened or are others than it was trained on, or a
    /// position lies outside them.
    pub fn show(&self, stage: &Stage, positions: &[u32]) -> Result<Shown, String> {
        let opened = OpenedModel::of_stage(stage.clone(), &ImportOptions::default());
        let opened = opened.map_err(|error| error.to_string())?;
        let training = opened.model.info.training.as_ref();
        let training = training.ok_or("its model does not say what it was trained on")?;
        let dataset = Setting::of(training, &self.materials)?.trained.dataset;
        let images = &dataset.train;
        let shape = [images.channels, images.height, images.width];
        let picture = |position: &u32| {
            let at = *position as usize;
            if at >= images.len() {
                return Err(format!("the training set of {} images has no image {position}", images.len()));
            }
            let pixels = images.image(at).map_err(|error| error.to_string())?.to_vec();
            picture::encode(&thumbnail(shape, &pixels)).map_err(|error| error.to_string())
        };
        Ok(Shown { images: positions.iter().map(picture).collect::<Result<_, _>>()?, classes: dataset.classes.clone() })
    }
}

/// Most pixels of a side. Of a larger image, every second, third, … pixel is shown.
const MOST_SIDE: usize = 96;

/// An image `[channels, height, width]` as a picture: in colour with three channels, otherwise the first channel.
fn thumbnail([channels, height, width]: [usize; 3], image: &[u8]) -> Picture {
    let step = height.max(width).div_ceil(MOST_SIDE).max(1);
    let colours = if channels == 3 { 3 } else { 1 };
    let mut pixels = Vec::new();
    for y in (0..height).step_by(step) {
        for x in (0..width).step_by(step) {
            pixels.extend((0..colours).map(|colour| image[(colour * height + y) * width + x]));
        }
    }
    Picture { sides: Sides { channels: colours, height: height.div_ceil(step), width: width.div_ceil(step) }, pixels }
}

#[cfg(test)]
mod tests {
    use unlearn_run_store::{Begin, StageSpec, Store};

    use super::*;

    #[test]
    fn a_thumbnail_interleaves_colours_and_skips_pixels_of_large_images() {
        // Planes red, green, blue of one row with two pixels.
        let Picture { sides, pixels } = thumbnail([3, 1, 2], &[1, 2, 3, 4, 5, 6]);
        assert_eq!((sides, pixels), (Sides { channels: 3, height: 1, width: 2 }, vec![1, 3, 5, 2, 4, 6]));
        let image: Vec<u8> = (0..3 * 193).map(|at| (at % 193) as u8).collect();
        let Picture { sides, pixels } = thumbnail([1, 3, 193], &image);
        assert_eq!((sides.height, sides.width), (1, 65));
        assert_eq!(pixels[..3], [0, 3, 6]);
        assert_eq!(thumbnail([2, 1, 1], &[7, 9]).pixels, [7]);
    }

    #[test]
    fn a_stage_without_a_model_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("runs")).unwrap();
        let Begin::Run(writer) = store.begin(&StageSpec::new("unlearn", serde_json::json!({}), "d", 1)).unwrap() else {
            unreachable!()
        };
        let stage = writer.finish().unwrap();
        let reason = Gallery::default().show(&stage, &[0]).unwrap_err();
        assert!(reason.contains("model.safetensors"), "{reason}");
    }
}
