//! One tensor in a file: a strided view of a storage.

use half::{bf16, f16};

/// The type of a storage's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// 64-bit floating point.
    F64,
    /// 32-bit floating point.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an f32.
    Bf16,
    /// Signed 64-bit integers.
    I64,
    /// Signed 32-bit integers.
    I32,
    /// Signed 16-bit integers.
    I16,
    /// Signed bytes.
    I8,
    /// Unsigned bytes.
    U8,
    /// One byte each, 0 or 1.
    Bool,
}

impl Dtype {
    /// Bytes an element takes.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// PyTorch's name, without `torch.`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F64 => "float64",
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::I64 => "int64",
            Self::I32 => "int32",
            Self::I16 => "int16",
            Self::I8 => "int8",
            Self::U8 => "uint8",
            Self::Bool => "bool",
        }
    }
}

/// Maximum number of elements of a view that repeats elements of its storage: 16 MiB of 32-bit numbers.
pub(crate) const MOST_REPEATED: usize = 1 << 22;

/// A view of a storage, inside its bounds; values are read on demand.
#[derive(Debug, Clone)]
pub struct Tensor<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    /// In elements, as the offset.
    strides: Vec<usize>,
    offset: usize,
    len: usize,
    storage: &'a [u8],
}

impl<'a> Tensor<'a> {
    /// A view of little-endian bytes. The error says why the view exceeds them.
    ///
    /// A view may skip, permute and repeat elements and share its storage with others. `expand` of PyTorch repeats elements by a stride
    /// of 0. A view of more elements than its storage is bounded by [`MOST_REPEATED`], so that a small file cannot ask for any amount
    /// of memory.
    pub(crate) fn new(
        dtype: Dtype,
        shape: Vec<usize>,
        mut strides: Vec<usize>,
        offset: usize,
        storage: &'a [u8],
    ) -> Result<Self, String> {
        let available = storage.len() / dtype.size();
        if shape.len() != strides.len() {
            return Err(format!("shape {shape:?} and strides {strides:?} differ in length"));
        }
        let outside = || {
            format!(
                "shape {shape:?} with strides {strides:?} from {offset} needs more than the {available} elements of its storage"
            )
        };
        let empty = shape.contains(&0);
        let len = if empty { Some(0) } else { shape.iter().try_fold(1_usize, |n, side| n.checked_mul(*side)) };
        let last = shape.iter().zip(&strides).try_fold(offset, |last, (side, stride)| {
            side.saturating_sub(1).checked_mul(*stride).and_then(|step| last.checked_add(step))
        });
        if !empty && last.is_none_or(|last| last >= available) {
            return Err(outside());
        }
        let len = len.filter(|len| *len <= available.max(MOST_REPEATED)).ok_or_else(|| {
            format!(
                "shape {shape:?} with strides {strides:?} repeats the {available} elements of its storage more often than is read \
                 here; save a copy of its own, `tensor.contiguous()`"
            )
        })?;
        // A dimension of one element is never stepped along, so its stride may have any value.
        strides.iter_mut().zip(&shape).filter(|(_, side)| **side == 1).for_each(|(stride, _)| *stride = 0);
        Ok(Self { dtype, shape, strides, offset, len, storage })
    }

    /// The whole of `storage`, row-major.
    pub(crate) fn contiguous(dtype: Dtype, shape: Vec<usize>, storage: &'a [u8]) -> Result<Self, String> {
        let mut strides = vec![1_usize; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
        }
        Self::new(dtype, shape, strides, 0, storage)
    }

    /// Element type.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Shape, outermost dimension first; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Number of elements beyond those of its storage.
    pub(crate) fn repeated(&self) -> usize {
        self.len.saturating_sub(self.storage.len() / self.dtype.size())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements' little-endian bytes in row-major order, bit for bit.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len * self.dtype.size());
        self.for_each_row(|row| bytes.extend_from_slice(row));
        bytes
    }

    /// The elements in row-major order. f32, f16, bf16, bytes and booleans (any value but 0 is 1) are exact. f64 and larger integers are
    /// rounded to the nearest f32.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.len);
        self.for_each_row(|row| match self.dtype {
            Dtype::F64 => values.extend(chunks(row).map(|b| f64::from_le_bytes(b) as f32)),
            Dtype::F32 => values.extend(chunks(row).map(f32::from_le_bytes)),
            Dtype::F16 => values.extend(chunks(row).map(|b| f16::from_le_bytes(b).to_f32())),
            Dtype::Bf16 => values.extend(chunks(row).map(|b| bf16::from_le_bytes(b).to_f32())),
            Dtype::I64 => values.extend(chunks(row).map(|b| i64::from_le_bytes(b) as f32)),
            Dtype::I32 => values.extend(chunks(row).map(|b| i32::from_le_bytes(b) as f32)),
            Dtype::I16 => values.extend(chunks(row).map(|b| f32::from(i16::from_le_bytes(b)))),
            Dtype::I8 => values.extend(chunks(row).map(|b| f32::from(i8::from_le_bytes(b)))),
            Dtype::U8 => values.extend(row.iter().map(|b| f32::from(*b))),
            Dtype::Bool => values.extend(row.iter().map(|b| f32::from(u8::from(*b != 0)))),
        });
        values
    }

    /// Calls `visit` with runs of contiguous bytes. Joined in order, they are the tensor in row-major order.
    fn for_each_row(&self, mut visit: impl FnMut(&[u8])) {
        if self.len == 0 {
            return;
        }
        // The innermost contiguous dimensions form one run. The others are counted like an odometer.
        let mut outer = self.shape.len();
        let mut run = 1;
        while outer > 0 && (self.strides[outer - 1] == run || self.shape[outer - 1] == 1) {
            outer -= 1;
            run *= self.shape[outer];
        }
        let size = self.dtype.size();
        let mut digits = vec![0; outer];
        let mut at = self.offset;
        for _ in 0..self.len / run {
            visit(&self.storage[at * size..(at + run) * size]);
            for axis in (0..outer).rev() {
                digits[axis] += 1;
                at += self.strides[axis];
                if digits[axis] < self.shape[axis] {
                    break;
                }
                at -= self.strides[axis] * self.shape[axis];
                digits[axis] = 0;
            }
        }
    }
}

/// Visits a row one element at a time.
fn chunks<const N: usize>(row: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    row.as_chunks().0.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage() -> Vec<u8> {
        (0..12_i16).flat_map(i16::to_le_bytes).collect()
    }

    fn read(shape: &[usize], strides: &[usize], offset: usize) -> Result<Vec<f32>, String> {
        Ok(Tensor::new(Dtype::I16, shape.to_vec(), strides.to_vec(), offset, &storage())?.to_f32())
    }

    #[test]
    fn views_are_read_in_row_major_order() {
        assert_eq!(read(&[2, 3], &[3, 1], 0).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(read(&[3, 2], &[1, 3], 0).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(read(&[2, 2], &[6, 2], 1).unwrap(), [1.0, 3.0, 7.0, 9.0]);
        assert_eq!(read(&[1, 2], &[usize::MAX, 5], 2).unwrap(), [2.0, 7.0]);
        assert_eq!(read(&[2, 1, 2], &[4, 99, 1], 2).unwrap(), [2.0, 3.0, 6.0, 7.0]);
        assert_eq!(read(&[], &[], 5).unwrap(), [5.0]);
        assert!(read(&[4, 0], &[1, 1], 12).unwrap().is_empty());
        assert_eq!(read(&[3], &[0], 7).unwrap(), [7.0; 3]);
        assert_eq!(read(&[13], &[0], 0).unwrap(), [0.0; 13]);
        assert_eq!(
            read(&[2, 3, 2], &[1, 0, 6], 1).unwrap(),
            [1.0, 7.0, 1.0, 7.0, 1.0, 7.0, 2.0, 8.0, 2.0, 8.0, 2.0, 8.0]
        );
    }

    #[test]
    fn views_that_leave_their_storage_are_refused() {
        let max = usize::MAX;
        for (shape, strides, offset) in [
            (&[3, 4][..], &[4, 1][..], 1),
            (&[2], &[12], 0),
            (&[1], &[1], 12),
            (&[], &[], 12),
            (&[13], &[1], 0),
            (&[2, 2], &[max, max], max),
        ] {
            let refusal = read(shape, strides, offset).unwrap_err();
            assert!(refusal.contains("needs more than the 12 elements of its storage"), "{refusal}");
        }
        for shape in [&[max, max][..], &[MOST_REPEATED, 2], &[0, 1 << 40, 1 << 40][1..]] {
            let refusal = read(shape, &vec![0; shape.len()], 0).unwrap_err();
            assert!(
                refusal.contains("repeats the 12 elements of its storage") && refusal.contains("contiguous()"),
                "{refusal}"
            );
        }
        assert!(read(&[2], &[], 0).unwrap_err().contains("differ in length"));
    }

    #[test]
    fn every_dtype_becomes_f32() {
        let read = |dtype, bytes: &[u8]| Tensor::contiguous(dtype, vec![1], bytes).unwrap().to_f32()[0];
        assert_eq!(read(Dtype::F64, &(-1.5_f64).to_le_bytes()), -1.5);
        assert_eq!(read(Dtype::F32, &1e-45_f32.to_le_bytes()), 1e-45);
        assert_eq!(read(Dtype::F16, &0x0001_u16.to_le_bytes()), 2f32.powi(-24));
        assert_eq!(read(Dtype::Bf16, &0xC040_u16.to_le_bytes()), -3.0);
        assert_eq!(read(Dtype::I64, &(1_i64 << 40).to_le_bytes()), 2f32.powi(40));
        assert_eq!(read(Dtype::I32, &(-7_i32).to_le_bytes()), -7.0);
        assert_eq!(read(Dtype::I8, &[0xFF]), -1.0);
        assert_eq!(read(Dtype::U8, &[0xFF]), 255.0);
        assert_eq!(read(Dtype::Bool, &[3]), 1.0);
    }
}
