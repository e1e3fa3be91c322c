//! A mask over a model: parameter names, each with its keep-or-prune bits.

use std::collections::BTreeMap;

use crate::{Bits, Error, Result, Tensors, bits::density};

/// Which weights of a model are kept.
///
/// Parameters that the mask does not name are kept whole. They count in none of its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    architecture: String,
    layers: BTreeMap<String, Bits>,
}

/// Counts of one covered tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerCount<'a> {
    /// The parameter's name, for example `layer1.0.conv1.weight`.
    pub name: &'a str,
    /// Number of weights in the tensor.
    pub len: usize,
    /// Number of kept weights.
    pub kept: usize,
}

impl LayerCount<'_> {
    /// Share of weights kept, in 0..=1. It is 1 for a tensor without elements.
    pub fn density(&self) -> f64 {
        density(self.kept, self.len)
    }

    /// Share of weights pruned, in 0..=1. It is 0 for a tensor without elements.
    pub fn sparsity(&self) -> f64 {
        1.0 - self.density()
    }
}

impl Mask {
    /// A mask for models of `architecture` (a name of the model registry) that covers no tensor yet.
    pub fn new(architecture: impl Into<String>) -> Self {
        Self { architecture: architecture.into(), layers: BTreeMap::new() }
    }

    /// The architecture the mask is for.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Covers the tensor `name`, and returns the bits that it had before.
    pub fn insert(&mut self, name: impl Into<String>, bits: Bits) -> Option<Bits> {
        self.layers.insert(name.into(), bits)
    }

    /// The bits of the tensor `name`, or `None` if the mask does not cover it.
    pub fn get(&self, name: &str) -> Option<&Bits> {
        self.layers.get(name)
    }

    /// The covered tensors, by name in ascending order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Bits)> {
        self.layers.iter().map(|(name, bits)| (name.as_str(), bits))
    }

    /// Number of weights in the covered tensors.
    pub fn len(&self) -> usize {
        self.layers.values().map(Bits::len).sum()
    }

    /// Whether the mask covers no weight.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of kept weights in the covered tensors.
    pub fn kept(&self) -> usize {
        self.layers.values().map(Bits::kept).sum()
    }

    /// Share of the covered weights that is kept, in 0..=1. It is 1 for an empty mask.
    pub fn density(&self) -> f64 {
        density(self.kept(), self.len())
    }

    /// Share of the covered weights that is pruned, in 0..=1. It is 0 for an empty mask.
    pub fn sparsity(&self) -> f64 {
        1.0 - self.density()
    }

    /// Counts of each covered tensor, by name in ascending order.
    pub fn per_layer(&self) -> Vec<LayerCount<'_>> {
        self.iter().map(|(name, bits)| LayerCount { name, len: bits.len(), kept: bits.kept() }).collect()
    }

    /// The covered tensors that have no kept weight (layer collapse), by name in ascending order.
    pub fn empty_layers(&self) -> Vec<&str> {
        self.per_layer().into_iter().filter(|layer| layer.len > 0 && layer.kept == 0).map(|layer| layer.name).collect()
    }

    /// Sets the pruned weights of the tensor `name` to exactly `0.0`, never `-0.0`. A tensor that the mask does not
    /// cover stays unchanged. So a caller may pass every parameter of a model, and every buffer of its optimiser, in
    /// turn.
    ///
    /// # Errors
    /// [`Error::Count`] if the mask covers `name` with another number of weights.
    pub fn apply(&self, name: &str, weights: &mut [f32]) -> Result<()> {
        match self.get(name) {
            Some(bits) => bits.apply(weights).map_err(|error| error.in_tensor(name)),
            None => Ok(()),
        }
    }

    /// Whether every weight kept here is also kept in `other`. A tensor that only `other` covers is kept whole here,
    /// so `other` must keep it whole too.
    ///
    /// # Errors
    /// [`Error::Architecture`] or [`Error::Shape`] if the masks are for different models.
    pub fn is_subset_of(&self, other: &Self) -> Result<bool> {
        self.check_same_model(other)?;
        for (name, bits) in other.iter() {
            let nested = match self.get(name) {
                Some(own) => own.is_subset_of(bits).map_err(|error| error.in_tensor(name))?,
                None => bits.kept() == bits.len(),
            };
            if !nested {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Keeps the weights that both keep. Covers the tensors that either covers.
    ///
    /// # Errors
    /// [`Error::Architecture`] or [`Error::Shape`] if the masks are for different models.
    pub fn intersect(&self, other: &Self) -> Result<Self> {
        self.check_same_model(other)?;
        let mut both = self.clone();
        for (name, bits) in other.iter() {
            let bits = match self.get(name) {
                Some(own) => own.intersect(bits).map_err(|error| error.in_tensor(name))?,
                None => bits.clone(),
            };
            both.insert(name, bits);
        }
        Ok(both)
    }

    /// Checks the mask against a model. `layers` are the names and shapes of its parameters, in any order. The mask
    /// may cover fewer tensors than the model has.
    ///
    /// # Errors
    /// [`Error::Architecture`] if the mask was made for another architecture, [`Error::NotInModel`] if it covers a
    /// tensor that the model lacks, [`Error::Shape`] if a tensor has another shape in the model.
    pub fn check_against(&self, architecture: &str, layers: &[(&str, &[usize])]) -> Result<()> {
        let model_tensors =
            || Tensors(layers.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect());
        if self.architecture != architecture {
            return Err(self.architecture_error(architecture, model_tensors()));
        }
        let shapes: BTreeMap<_, _> = layers.iter().copied().collect();
        for (name, bits) in self.iter() {
            let Some(shape) = shapes.get(name) else {
                let (name, architecture) = (name.to_owned(), architecture.to_owned());
                return Err(Error::NotInModel { name, architecture, tensors: model_tensors() });
            };
            bits.check_shape(shape).map_err(|error| error.in_tensor(name))?;
        }
        Ok(())
    }

    fn check_same_model(&self, other: &Self) -> Result<()> {
        if self.architecture == other.architecture {
            return Ok(());
        }
        Err(self.architecture_error(&other.architecture, other.tensors()))
    }

    fn architecture_error(&self, other: &str, other_tensors: Tensors) -> Error {
        let (mask, mask_tensors) = (self.architecture.clone(), self.tensors());
        Error::Architecture { mask, mask_tensors, other: other.to_owned(), other_tensors }
    }

    fn tensors(&self) -> Tensors {
        Tensors(self.iter().map(|(name, bits)| (name.to_owned(), bits.shape().to_vec())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(layers: &[(&str, &[bool])]) -> Result<Mask> {
        let mut mask = Mask::new("tiny");
        for (name, keep) in layers {
            mask.insert(*name, Bits::from_bools(&[keep.len()], keep)?);
        }
        Ok(mask)
    }

    #[test]
    fn counts_cover_only_the_named_tensors() -> Result<()> {
        let mask = mask(&[("b", &[false, false]), ("a", &[true, false, true])])?;
        assert_eq!((mask.len(), mask.kept(), mask.density(), mask.sparsity()), (5, 2, 0.4, 0.6));
        assert_eq!(mask.empty_layers(), ["b"]);
        let rows = mask.per_layer();
        assert_eq!(rows[0], LayerCount { name: "a", len: 3, kept: 2 });
        assert_eq!(rows[1].sparsity(), 1.0);
        assert_eq!(Mask::new("tiny").sparsity(), 0.0);
        Ok(())
    }

    #[test]
    fn apply_leaves_uncovered_tensors_alone() -> Result<()> {
        let mask = mask(&[("a", &[false, true])])?;
        let mut weights = [1.0, 2.0];
        mask.apply("bias", &mut weights)?;
        assert_eq!(weights, [1.0, 2.0]);
        mask.apply("a", &mut weights)?;
        assert_eq!(weights, [0.0, 2.0]);
        assert_eq!(
            mask.apply("a", &mut [1.0; 3]).unwrap_err().to_string(),
            "tensor `a`: shape [2] needs 2 values, found 3"
        );
        Ok(())
    }

    #[test]
    fn nesting_treats_a_missing_tensor_as_whole() -> Result<()> {
        let sparse = mask(&[("a", &[true, false]), ("b", &[false, false])])?;
        let dense = mask(&[("a", &[true, true])])?;
        assert!(sparse.is_subset_of(&dense)?);
        assert!(!dense.is_subset_of(&sparse)?);
        assert!(dense.is_subset_of(&mask(&[("c", &[true])])?)?);
        assert!(!dense.is_subset_of(&mask(&[("c", &[false])])?)?);
        assert_eq!(sparse.intersect(&dense)?, sparse);
        assert_eq!(dense.intersect(&sparse)?, sparse);
        Ok(())
    }

    #[test]
    fn another_model_is_refused_with_names_and_shapes_of_both() -> Result<()> {
        let mask = mask(&[("a", &[true, false])])?;
        let check = |architecture, layers: &[(&str, &[usize])]| {
            mask.check_against(architecture, layers).map_err(|error| error.to_string())
        };
        assert_eq!(check("tiny", &[("bias", &[9]), ("a", &[2])]), Ok(()));
        assert_eq!(
            check("large", &[("a", &[4]), ("b", &[5]), ("c", &[6]), ("d", &[7])]).unwrap_err(),
            "the mask is for architecture `tiny` (a [2]), not for `large` (a [4], b [5], c [6] and 1 more); \
             use a mask that was made from the same architecture"
        );
        assert_eq!(
            check("tiny", &[("b", &[2])]).unwrap_err(),
            "the mask covers tensor `a`, which `tiny` does not have; its tensors: b [2]"
        );
        assert_eq!(
            check("tiny", &[("a", &[1, 2])]).unwrap_err(),
            "tensor `a`: the mask has shape [2], its counterpart has shape [1, 2]"
        );
        Ok(())
    }

    #[test]
    fn masks_of_two_architectures_do_not_mix() -> Result<()> {
        let (one, other) = (mask(&[])?, Mask::new("large"));
        assert!(matches!(one.is_subset_of(&other), Err(Error::Architecture { .. })));
        assert!(matches!(one.intersect(&other), Err(Error::Architecture { .. })));
        Ok(())
    }
}
