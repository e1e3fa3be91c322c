//! The facts about a request that are known without a model. With them, an impossible request is refused before
//! anything is computed.

use std::collections::BTreeSet;

use unlearn_network::Graph;
use unlearn_samples::forget;
use unlearn_training::Recipe;

/// A request without its model. All positions are indices into the official training images.
#[derive(Debug, Clone, Copy)]
pub struct Prospect<'a> {
    /// The network's layers.
    pub graph: &'a Graph,
    /// How the model was pruned.
    pub pruned: Pruned,
    /// The class of each image.
    pub labels: &'a [u32],
    /// Positions of the forget set D_f.
    pub forget: &'a [u32],
    /// Positions of the retain set D_r.
    pub retain: &'a [u32],
    /// Positions of the validation set D_v.
    pub validation: &'a [u32],
    /// The recipe with which the model was or will be trained.
    pub recipe: &'a Recipe,
}

/// How a model was pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// The model is not pruned.
    Dense,
    /// The model was pruned in a way that can be repeated on other samples.
    Repeatable,
    /// The model was pruned in an unknown way.
    Unknown,
}

impl Prospect<'_> {
    /// Classes that occur in D_f but not in D_r, ascending. These are forgotten as a whole.
    pub fn forgotten_classes(&self) -> Vec<u32> {
        forget::whole_classes(self.labels, self.forget, self.retain)
    }

    /// Validation samples of the classes in D_f, in their order.
    pub fn validation_of_forgotten_classes(&self) -> Vec<u32> {
        let class = |position: &u32| self.labels[*position as usize];
        let classes: BTreeSet<u32> = self.forget.iter().map(class).collect();
        self.validation.iter().copied().filter(|position| classes.contains(&class(position))).collect()
    }

    /// For methods that train on D_r.
    ///
    /// # Errors
    /// If D_r is empty.
    pub fn needs_retained(&self) -> Result<(), String> {
        if self.retain.is_empty() {
            return Err("it needs the retain set, which is empty; forget fewer images".into());
        }
        Ok(())
    }

    /// For methods that train a model from its beginning, for so many epochs.
    ///
    /// # Errors
    /// If nothing would be trained.
    pub fn needs_epochs(&self, epochs: usize) -> Result<(), String> {
        if epochs == 0 {
            return Err("with `epochs = 0` it trains nothing and keeps the weights that training begins with. These may have seen the \
                        images to forget, so the model would be no reference to compare with; set `train.epochs`, or this method's own \
                        `epochs`, to 1 or more, or take the method out"
                .into());
        }
        Ok(())
    }

    /// For methods that train on D_f.
    ///
    /// # Errors
    /// If D_f is empty.
    pub fn needs_forgotten(&self) -> Result<(), String> {
        if self.forget.is_empty() {
            return Err("it needs the forget set, which is empty; name images to forget".into());
        }
        Ok(())
    }

    /// For methods that use wrong labels.
    ///
    /// # Errors
    /// If there is a single class, which has no wrong label.
    pub fn needs_wrong_labels(&self) -> Result<(), String> {
        match self.graph.classes() {
            0 | 1 => {
                Err("it needs wrong labels, but a model with one class has none; use data with two or more classes"
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// For methods that forget whole classes only.
    ///
    /// # Errors
    /// If D_r has samples of a class in D_f, or D_f is empty.
    pub fn needs_whole_classes(&self) -> Result<(), String> {
        let classes = self.forgotten_classes();
        let whole = |position: &u32| classes.contains(&self.labels[*position as usize]);
        if !self.forget.is_empty() && self.forget.iter().all(whole) {
            return Ok(());
        }
        Err("it forgets whole classes only, but the retain set has samples of a class to forget; forget all of a class \
             (`kind = \"class\"` without `count`), or use another method"
            .into())
    }

    /// For methods that select an epoch as the recipe says.
    ///
    /// # Errors
    /// If the epoch is selected by validation samples and there are none.
    pub fn needs_what_selects(&self) -> Result<(), String> {
        self.recipe.check_selection(self.validation).map_err(|error| error.to_string())
    }
}
