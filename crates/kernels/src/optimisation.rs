//! A warning if the kernels were compiled without optimisation.

/// Cargo's `opt-level` of this crate.
const LEVEL: &str = env!("UNLEARN_KERNELS_OPT_LEVEL");

/// Says on the standard error that the kernels are slow, if they are. The instruction set is chosen once in a process,
/// and this is called there.
pub(crate) fn say_if_missing() {
    if let Some(warning) = warning(LEVEL) {
        eprintln!("{warning}");
    }
}

fn warning(level: &str) -> Option<&'static str> {
    // A kernel's loops are closures over SIMD registers. They are fast only if they are inlined.
    matches!(level, "0" | "1").then_some(
        "warning: unlearn-kernels was compiled without optimisation, and is about 100 times slower than it can be; \
         build with --release, or add to Cargo.toml:\n    [profile.dev.package.\"*\"]\n    opt-level = 3",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_slow_build_warns() {
        assert!(warning("0").unwrap().contains("[profile.dev.package.\"*\"]"));
        assert!(["2", "3", "s", "z"].iter().all(|level| warning(level).is_none()));
        assert_eq!(warning(LEVEL), None, "this workspace optimises its tests");
    }
}
