//! The instruction sets that the kernels are compiled for, and which of them is in use.
//!
//! The choice changes speed alone: every kernel gives the same bits on all of them.

use std::{
    fmt, str,
    sync::{
        LazyLock,
        atomic::{AtomicU8, Ordering},
    },
};

use pulp::Arch;

/// The environment variable that names the instruction set to use: `scalar`, `neon`, `avx2` or `avx512`. It is read once.
pub const INSTRUCTION_SET_VARIABLE: &str = "UNLEARN_SIMD";

/// Instructions that the kernels are compiled for, narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// One value at a time. Every processor; slow.
    Scalar,
    /// Registers of four values, on 64-bit ARM.
    Neon,
    /// Registers of eight values: AVX2 with FMA, on x86-64.
    Avx2,
    /// Registers of sixteen values: AVX-512, on x86-64.
    Avx512,
}

/// An instruction set that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstructionSetError {
    /// A name that means nothing.
    #[error("unknown instruction set `{0}` in {INSTRUCTION_SET_VARIABLE}; valid names: scalar, neon, avx2, avx512")]
    Unknown(String),
    /// One that this processor lacks.
    #[error("instruction set `{0}` is not one of this processor, which has {has}; name another in \
             {INSTRUCTION_SET_VARIABLE}, or leave it unset", has = detected_names())]
    Missing(InstructionSet),
}

impl InstructionSet {
    const ALL: [Self; 4] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512];

    /// Those that this processor has, narrowest first.
    pub fn detected() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|set| set.arch().is_some())
    }

    /// The widest that this processor has.
    pub fn widest() -> Self {
        Self::detected().last().unwrap_or(Self::Scalar)
    }

    /// The one in use: what [`force_instruction_set`] was given, else what the environment asks for, else the widest.
    pub fn in_use() -> Self {
        let forced = FORCED.load(Ordering::Relaxed);
        Self::ALL.into_iter().find(|set| *set as u8 == forced).unwrap_or(CHOSEN.0)
    }

    fn arch(self) -> Option<Arch> {
        ARCHES[self as usize]
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

impl str::FromStr for InstructionSet {
    type Err = InstructionSetError;

    fn from_str(text: &str) -> Result<Self, InstructionSetError> {
        let found = Self::ALL.into_iter().find(|set| set.to_string() == text);
        found.ok_or_else(|| InstructionSetError::Unknown(text.into()))
    }
}

/// What the environment asks for, if anything.
///
/// # Errors
/// A name that means nothing, or an instruction set that this processor lacks. The kernels then use the widest as if nothing
/// were asked for, so whoever starts a program looks here first.
pub fn instruction_set_asked_for() -> Result<Option<InstructionSet>, InstructionSetError> {
    static ASKED: LazyLock<Result<Option<InstructionSet>, InstructionSetError>> =
        LazyLock::new(|| match std::env::var_os(INSTRUCTION_SET_VARIABLE) {
            Some(name) if !name.is_empty() => available(&name.to_string_lossy()).map(Some),
            _ => Ok(None),
        });
    ASKED.clone()
}

/// Uses these instructions from now on, in the whole process, for comparisons; `None` goes back to the choice made without it.
///
/// # Errors
/// An instruction set that this processor lacks; what was in use stays so.
pub fn force_instruction_set(set: Option<InstructionSet>) -> Result<(), InstructionSetError> {
    if let Some(set) = set.filter(|set| set.arch().is_none()) {
        return Err(InstructionSetError::Missing(set));
    }
    FORCED.store(set.map_or(NONE, |set| set as u8), Ordering::Relaxed);
    Ok(())
}

/// Pulp's token of the instructions in use.
pub(crate) fn arch() -> Arch {
    match FORCED.load(Ordering::Relaxed) {
        NONE => CHOSEN.1,
        forced => ARCHES[usize::from(forced)].unwrap_or(Arch::Scalar),
    }
}

/// No set forced.
const NONE: u8 = u8::MAX;
static FORCED: AtomicU8 = AtomicU8::new(NONE);

/// In the order of [`InstructionSet::ALL`], the token of each that this processor has.
static ARCHES: LazyLock<[Option<Arch>; 4]> = LazyLock::new(|| InstructionSet::ALL.map(detect));

/// What is used unless another is forced.
static CHOSEN: LazyLock<(InstructionSet, Arch)> = LazyLock::new(|| {
    let asked = instruction_set_asked_for().ok().flatten();
    let set = asked.unwrap_or_else(InstructionSet::widest);
    (set, set.arch().unwrap_or(Arch::Scalar))
});

fn detect(set: InstructionSet) -> Option<Arch> {
    match set {
        InstructionSet::Scalar => Some(Arch::Scalar),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => pulp::x86::V3::try_new().map(Arch::V3),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => pulp::x86::V4::try_new().map(Arch::V4),
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Neon => pulp::aarch64::Neon::try_new().map(Arch::Neon),
        _ => None,
    }
}

/// The set of this name, if this processor has it.
fn available(name: &str) -> Result<InstructionSet, InstructionSetError> {
    let set: InstructionSet = name.parse()?;
    if set.arch().is_some() { Ok(set) } else { Err(InstructionSetError::Missing(set)) }
}

fn detected_names() -> String {
    InstructionSet::detected().map(|set| set.to_string()).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_nonsense_lists_the_valid_ones() {
        for set in InstructionSet::ALL {
            assert_eq!(set.to_string().parse(), Ok(set));
        }
        let message = available("sse9").unwrap_err().to_string();
        assert!(
            message.contains("`sse9`") && message.contains("UNLEARN_SIMD") && message.contains("avx512"),
            "{message}"
        );
    }

    #[test]
    fn what_a_processor_lacks_is_refused_and_says_what_it_has() {
        let lacking = if cfg!(target_arch = "x86_64") { InstructionSet::Neon } else { InstructionSet::Avx2 };
        let error = force_instruction_set(Some(lacking)).unwrap_err();
        assert_eq!(available(&lacking.to_string()), Err(error.clone()));
        assert!(
            error.to_string().contains(&format!("`{lacking}`")) && error.to_string().contains("has scalar"),
            "{error}"
        );
    }
}
