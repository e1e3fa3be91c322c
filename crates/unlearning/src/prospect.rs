//! What is known of a request before there is a model to serve it with, so that what a method cannot do is refused before anything is
//! computed.

use std::collections::BTreeSet;

use unlearn_network::Graph;
use unlearn_samples::forget;
use unlearn_training::Recipe;

/// A request without its model. All positions count in the official training images.
#[derive(Debug, Clone, Copy)]
pub struct Prospect<'a> {
    /// The network's layers.
    pub graph: &'a Graph,
    /// How its weights were pruned.
    pub pruned: Pruned,
    /// The class of each image.
    pub labels: &'a [u32],
    /// Positions of the forget set D_f.
    pub forget: &'a [u32],
    /// Positions of the retain set D_r.
    pub retain: &'a [u32],
    /// Positions of the validation set D_v.
    pub validation: &'a [u32],
    /// How the model was trained, or is to be.
    pub recipe: &'a Recipe,
}

/// How a model was pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// Not at all.
    Dense,
    /// In a way that can be followed again on other samples.
    Repeatable,
    /// In a way that nobody knows.
    Unknown,
}

impl Prospect<'_> {
    /// Classes that D_f holds and D_r does not, ascending: those that are to be forgotten as a whole.
    pub fn forgotten_classes(&self) -> Vec<u32> {
        forget::whole_classes(self.labels, self.forget, self.retain)
    }

    /// Validation samples of the classes that D_f has, in their order.
    pub fn validation_of_forgotten_classes(&self) -> Vec<u32> {
        let class = |position: &u32| self.labels[*position as usize];
        let classes: BTreeSet<u32> = self.forget.iter().map(class).collect();
        self.validation.iter().copied().filter(|position| classes.contains(&class(position))).collect()
    }

    /// For methods that work on D_r.
    ///
    /// # Errors
    /// It is empty.
    pub fn needs_retained(&self) -> Result<(), String> {
        if self.retain.is_empty() {
            return Err("it works on the retain set, and nothing is left in it; forget less".into());
        }
        Ok(())
    }

    /// For methods that train a model from its beginning, for so many epochs.
    ///
    /// # Errors
    /// Nothing would be trained.
    pub fn needs_epochs(&self, epochs: usize) -> Result<(), String> {
        if epochs == 0 {
            return Err("with `epochs = 0` it trains nothing and leaves the weights that training begins with, which may have seen what is to \
                        be forgotten, so it would be no model to compare with; give `train.epochs`, or this method's own `epochs`, \
                        of 1 or more, or take the method out"
                .into());
        }
        Ok(())
    }

    /// For methods that work on D_f.
    ///
    /// # Errors
    /// It is empty.
    pub fn needs_forgotten(&self) -> Result<(), String> {
        if self.forget.is_empty() {
            return Err("it works on the forget set, which is empty; name images to be forgotten".into());
        }
        Ok(())
    }

    /// For methods that take another label for the true one.
    ///
    /// # Errors
    /// A single class, of which no label is wrong.
    pub fn needs_wrong_labels(&self) -> Result<(), String> {
        match self.graph.classes() {
            0 | 1 => Err("it takes wrong labels, and a model of one class has none; give data of two or more".into()),
            _ => Ok(()),
        }
    }

    /// For methods that forget nothing but whole classes.
    ///
    /// # Errors
    /// D_r has samples of a class that D_f has, or D_f is empty.
    pub fn needs_whole_classes(&self) -> Result<(), String> {
        let classes = self.forgotten_classes();
        let whole = |position: &u32| classes.contains(&self.labels[*position as usize]);
        if !self.forget.is_empty() && self.forget.iter().all(whole) {
            return Ok(());
        }
        Err("it forgets whole classes only, and the retain set has samples of a class that is to be forgotten; forget all of a class \
             (`kind = \"class\"` without `count`), or use another method"
            .into())
    }

    /// For methods that follow the recipe's choice of an epoch.
    ///
    /// # Errors
    /// The epoch is to be chosen by validation samples, and there are none.
    pub fn needs_what_selects(&self) -> Result<(), String> {
        self.recipe.check_selection(self.validation).map_err(|error| error.to_string())
    }
}
