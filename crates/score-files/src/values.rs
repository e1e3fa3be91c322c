//! Elements from their bytes.

use half::{bf16, f16};

use crate::Elements;
use crate::error::Checked;

/// Types of elements that are read. Little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    F16,
    Bf16,
    F32,
    F64,
    Bool,
    /// Whole numbers of this many bytes.
    Signed(usize),
    Unsigned(usize),
}

impl Type {
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Signed(len) | Self::Unsigned(len) => len,
        }
    }

    /// The elements of little-endian bytes. Bytes that do not fill an element are left out, so check the length before.
    pub(crate) fn elements(self, bytes: &[u8]) -> Checked<Elements> {
        let chunks = bytes.chunks_exact(self.len());
        Ok(match self {
            Self::F16 => Elements::Floats(chunks.map(|b| f16::from_le_bytes([b[0], b[1]]).to_f64()).collect()),
            Self::Bf16 => Elements::Floats(chunks.map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f64()).collect()),
            Self::F32 => {
                let value = |b: &[u8]| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                Elements::Floats(chunks.map(value).collect())
            }
            Self::F64 => {
                let value = |b: &[u8]| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
                Elements::Floats(chunks.map(value).collect())
            }
            Self::Bool => Elements::Integers(chunks.map(|b| i64::from(b[0] != 0)).collect()),
            Self::Signed(len) | Self::Unsigned(len) => {
                let signed = matches!(self, Self::Signed(_));
                let integer = |b: &[u8]| {
                    let mut wide = [if signed && b[len - 1] >= 0x80 { 0xFF } else { 0 }; 8];
                    wide[..len].copy_from_slice(b);
                    let value = i64::from_le_bytes(wide);
                    if signed || value >= 0 { Ok(value) } else { Err("a whole number exceeds 63 bits".to_owned()) }
                };
                Elements::Integers(chunks.map(integer).collect::<Checked<_>>()?)
            }
        })
    }
}
