//! The threads that run kernels.

use rayon::prelude::*;

/// Runs `work` on a thread of the pool that kernels use, and waits for it.
///
/// A kernel that is called from a thread outside the pool hands its work over and sleeps until it is done. That costs
/// tens of microseconds, as much as a small kernel itself. A pass of many kernels inside `work` is handed over once.
pub fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::join(work, || ()).0
}

/// Runs `task` for every number below `count`, in parallel.
///
/// This function and the next two take their tasks by reference. So the parallel loop is compiled once, and not for each task.
pub(crate) fn each_task(count: usize, task: &(dyn Fn(usize) + Sync)) {
    (0..count).into_par_iter().for_each(task);
}

/// The results of `task` for every number below `count`, in order. The tasks run in parallel, each with memory that it may leave
/// to later ones.
pub(crate) fn results_of_tasks<M: Default, T: Send>(
    count: usize,
    task: &(dyn Fn(&mut M, usize) -> T + Sync),
) -> Vec<T> {
    (0..count).into_par_iter().map_init(M::default, task).collect()
}

/// Runs `task(number, chunk)` for every chunk of `len` values, in parallel. The last chunk may be shorter.
pub(crate) fn each_chunk<T: Send>(values: &mut [T], len: usize, task: &(dyn Fn(usize, &mut [T]) + Sync)) {
    values.par_chunks_mut(len).enumerate().for_each(|(number, chunk)| task(number, chunk));
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
