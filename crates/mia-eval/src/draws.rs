//! The number of times that an attack is fitted, and the samples of each draw.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::{Error, MemberSelection, Result, features::Feature};

/// The number of times that an attack is fitted, and the samples of each draw.
///
/// A single draw is unreliable: the figure varies by tens of points with the members that are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Draws<'a> {
    /// Selection of members and non-members if there are more than the attack uses.
    pub members: MemberSelection,
    /// Number of draws, at least one.
    pub count: usize,
    /// Seed of all draws.
    pub seed: u64,
    /// Set when the user wants to stop. No further draw begins then, and the attack ends with [`Error::Interrupted`].
    pub interrupt: Option<&'a AtomicBool>,
}

impl Draws<'_> {
    /// The same with no more draws than the feature's limit, which depends on its cost.
    pub(crate) fn of(self, feature: &Feature) -> Self {
        Self { count: self.count.min(feature.most_draws()), ..self }
    }

    /// The figures of all draws, in order, computed in parallel by the threads of the current pool. `of` returns the figure of one draw. Its argument
    /// chooses a number of rows of a set, given the set's number and labels. Set 0 is that of the members, set 1 that
    /// of the non-members.
    ///
    /// # Errors
    /// The first error of a draw, or [`Error::Interrupted`].
    pub(crate) fn each<T: Send>(&self, of: impl Fn(&Choose<'_>) -> Result<T> + Sync) -> Result<Vec<T>> {
        let draw = |number: usize| {
            check(self.interrupt)?;
            // Every draw has its own streams. The first draw has streams 0 and 1.
            let stream = |set: usize| 2 * number as u128 + set as u128;
            of(&|set, labels, count| self.members.choose(labels, count, self.seed, stream(set)))
        };
        let drawn: Vec<Result<T>> = (0..self.count).into_par_iter().with_max_len(1).map(draw).collect();
        drawn.into_iter().collect()
    }
}

/// Ends an attack if the user wants to stop.
pub(crate) fn check(interrupt: Option<&AtomicBool>) -> Result<()> {
    if interrupt.is_some_and(|interrupt| interrupt.load(Ordering::Relaxed)) { Err(Error::Interrupted) } else { Ok(()) }
}

/// Chooses a number of rows of a set, given the set's number and its labels.
type Choose<'a> = dyn Fn(usize, &[u32], usize) -> Vec<usize> + 'a;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_keep_their_order_and_the_first_error_is_the_answer() {
        let labels = vec![0; 1000];
        let draws = Draws { members: MemberSelection::Stratified, count: 9, seed: 4, interrupt: None };
        let all: Vec<Vec<usize>> = draws.each(|choose| Ok(choose(1, &labels, 20))).unwrap();
        let alone: Vec<_> = (0..9).map(|n| draws.members.choose(&labels, 20, 4, 2 * n + 1)).collect();
        assert_eq!(all, alone);
        let empty = Error::Empty { set: "members", needed: 1 };
        let failing = draws.each(|choose| if choose(0, &labels, 20) == [0; 0] { Ok(()) } else { Err(empty.clone()) });
        assert_eq!(failing, Err(empty));
    }

    #[test]
    fn no_draw_begins_after_an_interrupt() {
        let interrupt = AtomicBool::new(false);
        let begun = std::sync::atomic::AtomicUsize::new(0);
        let count = 500;
        let draws = Draws { members: MemberSelection::Stratified, count, seed: 4, interrupt: Some(&interrupt) };
        let ended = draws.each(|_| {
            begun.fetch_add(1, Ordering::Relaxed);
            interrupt.store(true, Ordering::Relaxed);
            Ok(())
        });
        assert_eq!(ended, Err(Error::Interrupted));
        assert!(begun.load(Ordering::Relaxed) <= rayon::current_num_threads().min(count - 1), "{begun:?}");
    }
}
