//! One tensor of keep-or-prune decisions, with one bit per weight.

use crate::{Error, Result};

/// A packed 0/1 tensor: 1 keeps a weight, 0 makes it exactly zero.
///
/// Element `i` (row-major) is bit `i % 8` of byte `i / 8`, least significant bit first. Bits past the last element
/// are zero, so that equal tensors are equal bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bits {
    shape: Vec<usize>,
    len: usize,
    bytes: Vec<u8>,
}

impl Bits {
    /// A tensor that keeps every weight.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the product of the shape overflows.
    pub fn ones(shape: &[usize]) -> Result<Self> {
        Self::from_fn(shape, |_| true)
    }

    /// A tensor that prunes every weight.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the product of the shape overflows.
    pub fn zeros(shape: &[usize]) -> Result<Self> {
        let len = count(shape)?;
        Ok(Self { shape: shape.to_vec(), len, bytes: vec![0; len.div_ceil(8)] })
    }

    /// Keeps element `i` (row-major) if `keep(i)` returns true. `keep` is called once for each element, in order.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the product of the shape overflows.
    pub fn from_fn(shape: &[usize], mut keep: impl FnMut(usize) -> bool) -> Result<Self> {
        let mut bits = Self::zeros(shape)?;
        for i in 0..bits.len {
            bits.bytes[i / 8] |= u8::from(keep(i)) << (i % 8);
        }
        Ok(bits)
    }

    /// Keeps the elements that are `true`, row-major.
    ///
    /// # Errors
    /// [`Error::Count`] if the shape does not have `keep.len()` elements.
    pub fn from_bools(shape: &[usize], keep: &[bool]) -> Result<Self> {
        check_count(shape, count(shape)?, keep.len())?;
        Self::from_fn(shape, |i| keep[i])
    }

    /// Keeps the weights for which `keep` returns true, row-major.
    ///
    /// # Errors
    /// [`Error::Count`] if the shape does not have `weights.len()` elements.
    pub fn from_predicate(shape: &[usize], weights: &[f32], mut keep: impl FnMut(f32) -> bool) -> Result<Self> {
        check_count(shape, count(shape)?, weights.len())?;
        Self::from_fn(shape, |i| keep(weights[i]))
    }

    /// Makes a tensor from packed bytes, as [`Bits::as_bytes`] returns them.
    ///
    /// # Errors
    /// [`Error::PackedLength`] if the shape needs another number of bytes, [`Error::TrailingBits`] if a bit past the
    /// last element is set.
    pub fn from_packed(shape: &[usize], bytes: Vec<u8>) -> Result<Self> {
        let len = count(shape)?;
        let expected = len.div_ceil(8);
        if bytes.len() != expected {
            let what = "packed bits".to_owned();
            return Err(Error::PackedLength { what, shape: shape.to_vec(), expected, found: bytes.len() });
        }
        let used = len % 8;
        if used != 0 && bytes.last().is_some_and(|last| last >> used != 0) {
            return Err(Error::TrailingBits { what: "packed bits".to_owned(), len });
        }
        Ok(Self { shape: shape.to_vec(), len, bytes })
    }

    /// The shape, outermost dimension first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of weights, kept or not.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the tensor has no elements at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The ⌈len / 8⌉ packed bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether element `i` (row-major) is kept.
    ///
    /// # Panics
    /// If `i` is out of range, as for a slice.
    pub fn get(&self, i: usize) -> bool {
        assert!(i < self.len, "index {i} out of range for a mask of {} elements", self.len);
        self.bytes[i / 8] >> (i % 8) & 1 == 1
    }

    /// Keeps or prunes element `i` (row-major).
    ///
    /// # Panics
    /// If `i` is out of range, as for a slice.
    pub fn set(&mut self, i: usize, keep: bool) {
        assert!(i < self.len, "index {i} out of range for a mask of {} elements", self.len);
        let bit = 1 << (i % 8);
        if keep {
            self.bytes[i / 8] |= bit;
        } else {
            self.bytes[i / 8] &= !bit;
        }
    }

    /// The decisions in row-major order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = bool> + '_ {
        (0..self.len).map(|i| self.get(i))
    }

    /// Number of kept weights.
    pub fn kept(&self) -> usize {
        self.bytes.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Share of weights kept, in 0..=1. It is 1 for a tensor without elements.
    pub fn density(&self) -> f64 {
        density(self.kept(), self.len)
    }

    /// Share of weights pruned, in 0..=1. It is 0 for a tensor without elements.
    pub fn sparsity(&self) -> f64 {
        1.0 - self.density()
    }

    /// The mask as a dense tensor of 0.0 and 1.0, row-major.
    pub fn to_dense(&self) -> Vec<f32> {
        self.iter().map(|keep| if keep { 1.0 } else { 0.0 }).collect()
    }

    /// Sets the pruned weights to `0.0`, whatever their values. The result is never `-0.0`, NaN or an infinity.
    ///
    /// # Errors
    /// [`Error::Count`] if the number of weights differs from the number of elements.
    pub fn apply(&self, weights: &mut [f32]) -> Result<()> {
        check_count(&self.shape, self.len, weights.len())?;
        for (octet, &byte) in weights.chunks_mut(8).zip(&self.bytes) {
            for (i, weight) in octet.iter_mut().enumerate() {
                // All ones if the bit is set: the weight stays unchanged. Otherwise it becomes the bits of 0.0.
                let pass = u32::from(byte >> i & 1).wrapping_neg();
                *weight = f32::from_bits(weight.to_bits() & pass);
            }
        }
        Ok(())
    }

    /// The kept weights only, in row-major order. A sparse checkpoint stores them beside the mask.
    ///
    /// # Errors
    /// [`Error::Count`] if the number of weights differs from the number of elements.
    pub fn gather(&self, weights: &[f32]) -> Result<Vec<f32>> {
        check_count(&self.shape, self.len, weights.len())?;
        let mut kept = Vec::with_capacity(self.kept());
        for (octet, &byte) in weights.chunks(8).zip(&self.bytes) {
            kept.extend(set_bits(byte).map(|i| octet[i]));
        }
        Ok(kept)
    }

    /// The inverse of [`gather`](Self::gather): a dense tensor with the values of `kept` at the kept positions and
    /// `0.0` elsewhere.
    ///
    /// # Errors
    /// [`Error::Count`] if the number of values differs from the number of kept elements.
    pub fn scatter(&self, kept: &[f32]) -> Result<Vec<f32>> {
        check_count(&self.shape, self.kept(), kept.len())?;
        // If most bytes are 0, the loop never touches most of the tensor.
        let mut dense = vec![0.0; self.len];
        let mut next = kept.iter();
        for (octet, &byte) in dense.chunks_mut(8).zip(&self.bytes) {
            for (i, &value) in set_bits(byte).zip(&mut next) {
                octet[i] = value;
            }
        }
        Ok(dense)
    }

    /// Whether every weight kept here is also kept in `other`. Masks of rising sparsity are nested in this way.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes differ.
    pub fn is_subset_of(&self, other: &Self) -> Result<bool> {
        self.check_shape(other.shape())?;
        Ok(self.bytes.iter().zip(&other.bytes).all(|(a, b)| a & !b == 0))
    }

    /// Keeps the weights that both keep.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes differ.
    pub fn intersect(&self, other: &Self) -> Result<Self> {
        self.check_shape(other.shape())?;
        let bytes = self.bytes.iter().zip(&other.bytes).map(|(a, b)| a & b).collect();
        Ok(Self { shape: self.shape.clone(), len: self.len, bytes })
    }

    pub(crate) fn check_shape(&self, other: &[usize]) -> Result<()> {
        if self.shape == other {
            return Ok(());
        }
        Err(Error::Shape { name: String::new(), mask: self.shape.clone(), other: other.to_vec() })
    }
}

/// The positions of a byte's ones, least significant first.
fn set_bits(mut byte: u8) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = byte.trailing_zeros() as usize;
        // Clears the least significant one. A byte of 0 has none left.
        let taken = byte != 0;
        byte &= byte.wrapping_sub(1);
        taken.then_some(place)
    })
}

/// Share of weights kept. It is 1 for a tensor without elements.
pub(crate) fn density(kept: usize, len: usize) -> f64 {
    if len == 0 { 1.0 } else { kept as f64 / len as f64 }
}

fn count(shape: &[usize]) -> Result<usize> {
    // The check ignores zeros, so that the result does not depend on the order of the dimensions.
    let nonzero = shape.iter().filter(|&&dim| dim != 0).try_fold(1_usize, |n, &dim| n.checked_mul(dim));
    match nonzero {
        Some(_) if shape.contains(&0) => Ok(0),
        Some(len) if isize::try_from(len).is_ok() => Ok(len),
        _ => Err(Error::TooLarge { shape: shape.to_vec() }),
    }
}

fn check_count(shape: &[usize], expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Count { what: "values".to_owned(), shape: shape.to_vec(), expected, found })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn packs_the_least_significant_bit_first() -> Result<()> {
        let keep = [true, false, false, true, false, false, false, false, false, true];
        let bits = Bits::from_bools(&[2, 5], &keep)?;
        assert_eq!(bits.as_bytes(), [0b0000_1001, 0b0000_0010]);
        assert_eq!(bits.kept(), 3);
        assert_eq!(bits.density(), 0.3);
        Ok(())
    }

    #[test]
    fn pruned_weights_become_positive_zero() -> Result<()> {
        let mut weights = [-1.0, f32::NAN, f32::NEG_INFINITY, -0.0, 5.0];
        Bits::from_bools(&[5], &[false, false, false, false, true])?.apply(&mut weights)?;
        assert_eq!(weights.map(f32::to_bits), [0, 0, 0, 0, 5.0_f32.to_bits()]);
        Ok(())
    }

    #[test]
    fn a_tensor_without_elements_is_dense() -> Result<()> {
        let bits = Bits::zeros(&[0, 3])?;
        assert_eq!((bits.len(), bits.sparsity(), bits.as_bytes().len()), (0, 0.0, 0));
        Ok(())
    }

    #[test]
    fn a_scalar_has_one_element() -> Result<()> {
        assert_eq!(Bits::ones(&[])?.as_bytes(), [1]);
        Ok(())
    }

    #[test]
    fn shapes_that_overflow_are_refused() {
        for shape in [[usize::MAX, 2, 1], [usize::MAX, 0, 2], [isize::MAX as usize, 3, 1], [usize::MAX, 1, 1]] {
            assert!(matches!(Bits::zeros(&shape), Err(Error::TooLarge { .. })), "{shape:?}");
        }
    }

    #[test]
    fn counts_and_padding_are_checked() {
        assert!(matches!(Bits::from_bools(&[3], &[true]), Err(Error::Count { expected: 3, found: 1, .. })));
        assert!(matches!(Bits::from_packed(&[9], vec![0]), Err(Error::PackedLength { expected: 2, found: 1, .. })));
        assert!(matches!(Bits::from_packed(&[9], vec![0, 2]), Err(Error::TrailingBits { len: 9, .. })));
        assert!(Bits::from_packed(&[9], vec![0, 1]).is_ok());
    }

    #[test]
    fn shape_errors_carry_both_shapes() -> Result<()> {
        let error = Bits::ones(&[2, 3])?.is_subset_of(&Bits::ones(&[3, 2])?).unwrap_err().in_tensor("fc.weight");
        assert_eq!(
            error.to_string(),
            "tensor `fc.weight`: the mask has shape [2, 3], its counterpart has shape [3, 2]"
        );
        Ok(())
    }

    fn weights_and_bits() -> impl Strategy<Value = (Vec<f32>, Vec<bool>)> {
        prop::collection::vec((any::<f32>(), any::<bool>()), 0..100).prop_map(|pairs| pairs.into_iter().unzip())
    }

    proptest! {
        #[test]
        fn packing_loses_nothing(keep: Vec<bool>) {
            let bits = Bits::from_bools(&[keep.len()], &keep)?;
            prop_assert_eq!(bits.iter().collect::<Vec<_>>(), keep.clone());
            prop_assert_eq!(bits.kept(), keep.iter().filter(|&&k| k).count());
            prop_assert_eq!(Bits::from_packed(bits.shape(), bits.as_bytes().to_vec())?, bits);
        }

        #[test]
        fn setting_is_getting(keep: Vec<bool>) {
            let mut bits = Bits::ones(&[keep.len()])?;
            for (i, &k) in keep.iter().enumerate() {
                bits.set(i, k);
            }
            prop_assert_eq!(bits, Bits::from_bools(&[keep.len()], &keep)?);
        }

        #[test]
        fn apply_keeps_or_zeroes_each_weight((weights, keep) in weights_and_bits()) {
            let bits = Bits::from_bools(&[keep.len()], &keep)?;
            let mut masked = weights.clone();
            bits.apply(&mut masked)?;
            for i in 0..weights.len() {
                prop_assert_eq!(masked[i].to_bits(), if keep[i] { weights[i].to_bits() } else { 0 });
            }
            let sparse = bits.scatter(&bits.gather(&weights)?)?;
            prop_assert!(sparse.iter().zip(&masked).all(|(a, b)| a.to_bits() == b.to_bits()));
        }

        #[test]
        fn an_intersection_is_nested_in_both(pairs: Vec<(bool, bool)>) {
            let (a, b): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
            let (a, b) = (Bits::from_bools(&[a.len()], &a)?, Bits::from_bools(&[b.len()], &b)?);
            let both = a.intersect(&b)?;
            prop_assert!(both.is_subset_of(&a)? && both.is_subset_of(&b)?);
            prop_assert_eq!(both.kept(), pairs.iter().filter(|(x, y)| *x && *y).count());
            prop_assert_eq!(a.is_subset_of(&b)?, pairs.iter().all(|(x, y)| !x || *y));
        }
    }
}
