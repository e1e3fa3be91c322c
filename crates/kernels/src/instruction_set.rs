//! The instruction sets that the kernels are compiled for, and the choice among them.
//!
//! The choice changes the speed only. Every kernel gives the same bits on all of them.

use std::{cell::Cell, fmt, str, sync::LazyLock};

use pulp::Arch;

/// The environment variable that names the instruction set: `scalar`, `neon`, `avx2` or `avx512`. It is read once.
pub const INSTRUCTION_SET_VARIABLE: &str = "UNLEARN_SIMD";

/// Instruction sets that the kernels are compiled for, narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// One value at a time. Runs on every processor, slowly.
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
    /// The name is unknown.
    #[error("unknown instruction set `{0}` in {INSTRUCTION_SET_VARIABLE}; valid names: scalar, neon, avx2, avx512")]
    Unknown(String),
    /// This processor lacks the instruction set.
    #[error("this processor lacks instruction set `{0}`; it has {has}; name one of these in \
             {INSTRUCTION_SET_VARIABLE}, or leave it unset", has = detected_names())]
    Missing(InstructionSet),
}

impl InstructionSet {
    const ALL: [Self; 4] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512];

    /// The instruction sets of this processor, narrowest first.
    pub fn detected() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|set| set.arch().is_some())
    }

    /// The widest instruction set of this processor.
    pub fn widest() -> Self {
        Self::detected().last().unwrap_or(Self::Scalar)
    }

    /// The instruction set in use: the one that [`on_instruction_set`] names for this thread, or else the one that
    /// the environment names, or else the widest.
    pub fn in_use() -> Self {
        NAMED.get().unwrap_or(CHOSEN.0)
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

/// The instruction set that the environment names, if any.
///
/// # Errors
/// If the name is unknown, or the processor lacks the instruction set. The kernels then silently use the widest one,
/// so a program should call this function at its start.
pub fn instruction_set_asked_for() -> Result<Option<InstructionSet>, InstructionSetError> {
    static ASKED: LazyLock<Result<Option<InstructionSet>, InstructionSetError>> =
        LazyLock::new(|| match std::env::var_os(INSTRUCTION_SET_VARIABLE) {
            Some(name) if !name.is_empty() => available(&name.to_string_lossy()).map(Some),
            _ => Ok(None),
        });
    ASKED.clone()
}

/// Runs `work` on one instruction set, for comparisons. `work` runs on threads of its own, as many as there are in the
/// pool of the caller, so that work elsewhere in the process keeps its instruction set.
///
/// # Errors
/// If the processor lacks the instruction set. `work` does not run then.
///
/// # Panics
/// If the system starts no threads, or `work` panics.
pub fn on_instruction_set<R: Send>(
    set: InstructionSet,
    work: impl FnOnce() -> R + Send,
) -> Result<R, InstructionSetError> {
    if set.arch().is_none() {
        return Err(InstructionSetError::Missing(set));
    }
    if set == InstructionSet::in_use() {
        return Ok(work());
    }
    let threads = rayon::ThreadPoolBuilder::new().num_threads(rayon::current_num_threads());
    let pool = threads.start_handler(move |_| NAMED.set(Some(set))).build().expect("threads start");
    Ok(pool.install(work))
}

thread_local! {
    /// The instruction set of [`on_instruction_set`] on this thread.
    static NAMED: Cell<Option<InstructionSet>> = const { Cell::new(None) };
}

/// Pulp's token of the instruction set in use.
pub(crate) fn arch() -> Arch {
    match NAMED.get() {
        None => CHOSEN.1,
        Some(set) => set.arch().unwrap_or(Arch::Scalar),
    }
}

/// Pulp's token of each instruction set, in the order of [`InstructionSet::ALL`]; `None` where this processor lacks
/// it.
static ARCHES: LazyLock<[Option<Arch>; 4]> = LazyLock::new(|| InstructionSet::ALL.map(detect));

/// The instruction set of a thread for which none is named.
static CHOSEN: LazyLock<(InstructionSet, Arch)> = LazyLock::new(|| {
    crate::optimisation::say_if_missing();
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

/// The instruction set named `name`, if this processor has it.
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
        let error = on_instruction_set(lacking, || unreachable!("it would run on {lacking}")).unwrap_err();
        assert_eq!(available(&lacking.to_string()), Err(error.clone()));
        assert!(
            error.to_string().contains(&format!("`{lacking}`")) && error.to_string().contains("has scalar"),
            "{error}"
        );
    }

    #[test]
    fn work_on_another_instruction_set_changes_nothing_elsewhere() {
        use rayon::prelude::*;

        let before = InstructionSet::in_use();
        for set in InstructionSet::detected() {
            let here = |_| (InstructionSet::in_use(), matches!(arch(), Arch::Scalar));
            let inside = || (0..64).into_par_iter().map(here).collect::<Vec<_>>();
            let (beside, outside) = std::thread::scope(|threads| {
                let ran = on_instruction_set(set, || (inside(), threads.spawn(InstructionSet::in_use).join().unwrap()));
                ran.unwrap()
            });
            assert!(
                beside.iter().all(|(found, scalar)| *found == set && *scalar == (set == InstructionSet::Scalar)),
                "{set}"
            );
            assert_eq!(outside, before);
            assert_eq!(InstructionSet::in_use(), before);
        }
    }
}
