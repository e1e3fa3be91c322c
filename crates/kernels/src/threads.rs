//! The threads that run kernels.

/// Runs `work` on a thread of the pool that kernels use, and waits for it.
///
/// A kernel that is called from a thread outside the pool hands its work over and sleeps until it is done. That costs
/// tens of microseconds, as much as a small kernel itself. A pass of many kernels inside `work` is handed over once.
pub fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::join(work, || ()).0
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn work_runs_on_a_thread_of_the_pool_and_stays_on_it() {
        assert_eq!(rayon::current_thread_index(), None);
        let (outer, inner) = in_pool(|| (thread::current().id(), in_pool(|| thread::current().id())));
        assert_ne!(outer, thread::current().id());
        assert_eq!(outer, inner);
    }
}
