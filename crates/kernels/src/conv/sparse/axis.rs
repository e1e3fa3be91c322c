//! One direction of a pass, rows or columns: the written positions, the positions they read, and where those lie in a
//! panel.

use std::ops::Range;

use crate::ConvShape;

/// Written positions that share their taps: every `spacing`-th position, starting at `first`. Position number `t`
/// reads panel position `step · (base + t) + taps[k]` through kernel position `k`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) first: usize,
    pub(super) spacing: usize,
    pub(super) count: usize,
    pub(super) base: usize,
    /// Tap of each kernel position. `None` if the kernel position reads nothing for this phase.
    pub(super) taps: Vec<Option<usize>>,
}

impl Phase {
    /// The positions of this phase, as `t`, in a range of written positions.
    pub(super) fn within(&self, written: &Range<usize>) -> Range<usize> {
        let index = |position: usize| position.saturating_sub(self.first).div_ceil(self.spacing).min(self.count);
        index(written.start)..index(written.end)
    }

    /// The written position number `t`.
    pub(super) fn position(&self, t: usize) -> usize {
        self.first + t * self.spacing
    }
}

/// All phases of a direction. Together they write every position exactly once.
#[derive(Debug)]
pub(super) struct Axis {
    /// Distance in the panel between consecutive written positions of a phase.
    pub(super) step: usize,
    /// Panel position of source position 0. Panel positions outside the source hold zeros.
    origin: isize,
    /// Number of source positions.
    length: usize,
    /// Side of the kernel.
    kernel: usize,
    pub(super) phases: Vec<Phase>,
}

impl Axis {
    /// The axis of the forward pass: writes the output, reads the input of length `input`.
    pub(super) fn forward(shape: &ConvShape, input: usize, output: usize) -> Self {
        let taps = (0..shape.kernel).map(Some).collect();
        let phase = Phase { first: 0, spacing: 1, count: output, base: 0, taps };
        let origin = shape.padding as isize;
        Self { step: shape.stride, origin, length: input, kernel: shape.kernel, phases: vec![phase] }
    }

    /// The axis of the input gradient: writes the input's gradient, reads the output's gradient.
    ///
    /// Input position `i` with `i + padding = stride · q + phase` contributes to output `q − j` through kernel
    /// position `stride · j + phase`.
    pub(super) fn transposed(shape: &ConvShape, input: usize, output: usize) -> Self {
        let ConvShape { kernel, stride, padding, .. } = *shape;
        let (reach, earliest) = ((kernel - 1) / stride, padding / stride);
        let phase = |phase: usize| {
            let first = (phase + stride - padding % stride) % stride;
            Phase {
                first,
                spacing: stride,
                count: input.saturating_sub(first).div_ceil(stride),
                base: (first + padding) / stride - earliest,
                taps: (0..kernel).map(|k| (k % stride == phase).then(|| reach - k / stride)).collect(),
            }
        };
        let origin = reach as isize - earliest as isize;
        Self { step: 1, origin, length: output, kernel, phases: (0..stride).map(phase).collect() }
    }

    /// Panel positions that a range of written positions reads, counted from the range's first position (a tap of 0).
    pub(super) fn read_by(&self, written: &Range<usize>) -> Range<usize> {
        let reads = self.phases.iter().filter_map(|phase| {
            let range = phase.within(written);
            let last = phase.taps.iter().flatten().max().filter(|_| !range.is_empty())?;
            let place = |t: usize| self.step * (phase.base + t);
            Some(place(range.start)..place(range.end - 1) + last + 1)
        });
        reads.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or_default()
    }

    /// Whether any tap reads this panel position. With a step longer than the kernel, some positions lie between
    /// taps.
    pub(super) fn is_read(&self, position: usize) -> bool {
        position % self.step < self.kernel
    }

    /// The source position at a panel position, if any.
    pub(super) fn source(&self, position: usize) -> Option<usize> {
        usize::try_from(position as isize - self.origin).ok().filter(|source| *source < self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each written position, the kernel positions and the source positions that they read, sorted.
    fn meetings(axis: &Axis, written: usize) -> Vec<Vec<(usize, usize)>> {
        let mut found = vec![None; written];
        for phase in &axis.phases {
            for t in 0..phase.count {
                let sources = phase.taps.iter().enumerate().filter_map(|(k, tap)| {
                    let position = axis.step * (phase.base + t) + (*tap)?;
                    assert!(axis.is_read(position) && axis.read_by(&(0..written)).contains(&position));
                    Some((k, axis.source(position)?))
                });
                let written_before = found[phase.position(t)].replace(sources.collect::<Vec<_>>());
                assert_eq!(written_before, None, "position {} is written once", phase.position(t));
            }
        }
        found.into_iter().map(|sources| sources.expect("every position is written")).collect()
    }

    #[test]
    fn both_directions_list_every_meeting_once() {
        for (kernel, stride, padding, input) in [(3, 1, 1, 5), (3, 2, 1, 6), (1, 2, 0, 5), (5, 3, 2, 4), (7, 1, 3, 2)] {
            let shape = ConvShape { in_channels: 1, out_channels: 1, kernel, stride, padding, groups: 1 };
            let output = (input + 2 * padding - kernel) / stride + 1;
            let forward = meetings(&Axis::forward(&shape, input, output), output);
            let transposed = meetings(&Axis::transposed(&shape, input, output), input);
            for (o, i) in (0..output).flat_map(|o| (0..input).map(move |i| (o, i))) {
                for k in 0..kernel {
                    let meet = o * stride + k == i + padding;
                    assert_eq!(forward[o].contains(&(k, i)), meet, "{shape:?} {o} {i} {k}");
                    assert_eq!(transposed[i].contains(&(k, o)), meet, "{shape:?} {o} {i} {k}");
                }
            }
        }
    }
}
