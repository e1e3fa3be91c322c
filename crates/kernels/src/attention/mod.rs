//! Scaled dot-product attention (arXiv 1706.03762, section 3.2), among all tokens or within windows of a map.
//!
//! A token is a pixel, and its features are the channels. Lanes are samples, so every score of a bundle is a vector,
//! and nothing is shuffled. A task copies the queries, keys and values of one head and one group of tokens into dense
//! matrices `[channel][token][lane]`. It computes all products there, and copies the result back. The backward pass
//! computes the scores again instead of keeping them.

mod lane_product;
mod softmax;
#[cfg(test)]
mod tests;
mod windows;

use std::ops::Range;

use rayon::prelude::*;

pub use self::windows::Windows;
use self::{
    lane_product::{Entries, LaneProduct},
    softmax::{Softmax, SoftmaxBackward},
    windows::Group,
};
use crate::{LANES, Maps, conv::Scratch, shared::Shared, simd::dispatch_bundle};

/// Added to the scores of tokens that a shift has joined across the border of the map, so that they do not attend to
/// each other. The value is that of the published code: far below any score, and finite.
const APART: f32 = -100.0;
/// Target number of tasks: enough to balance a handful of cores.
const TASKS: usize = 16;

/// Attention with several heads, each on its own channels.
#[derive(Debug, Clone)]
pub struct Attention {
    heads: usize,
    /// Tokens that attend to each other. All groups have the same number of tokens.
    groups: Vec<Group>,
    /// For each pair of tokens of a group, the place of their bias in a table.
    offsets: Option<Vec<usize>>,
}

impl Attention {
    /// Attention among all of `tokens` pixels.
    pub fn among_all(tokens: usize, heads: usize) -> Self {
        Self { heads, groups: vec![Group { pixels: (0..tokens).collect(), parts: None }], offsets: None }
    }

    /// Attention among the tokens of each window, with a bias for each offset between two of them.
    ///
    /// # Panics
    /// If windows do not tile the map.
    pub fn within(windows: Windows, heads: usize) -> Self {
        let Windows { map, side, shift } = windows;
        let tiles = side > shift && map.iter().all(|length| length.is_multiple_of(side));
        assert!(tiles, "{windows:?} do not tile the map");
        Self { heads, groups: windows.groups(), offsets: Some(windows.offsets()) }
    }

    /// Number of values in the table of biases, `[offsets, heads]`, for these windows.
    pub fn table_len(windows: Windows, heads: usize) -> usize {
        windows.offset_count() * heads
    }

    /// y = attention. `qkv` holds the queries of all heads, then the keys, then the values. `table` holds the biases
    /// of windows, `[offsets, heads]`, and is empty without windows.
    ///
    /// # Panics
    /// If buffers or layouts do not fit.
    pub fn forward(&self, table: &[f32], qkv: &[f32], input: &Maps, y: &mut [f32], output: &Maps) {
        self.check((qkv.len(), input), (y.len(), output));
        let to = Shared::new(y);
        let (tokens, channels) = (self.tokens(), output.channels / self.heads);
        let matrix = channels * tokens * LANES;
        self.tasks(output).into_par_iter().for_each_init(Scratch::default, |scratch, task| {
            let scratch = scratch.resize(4 * matrix + tokens * tokens * LANES);
            let (copied, rest) = scratch.split_at_mut(3 * matrix);
            let (found, scores) = rest.split_at_mut(matrix);
            for group in &self.groups[task.groups.clone()] {
                let head = Head { channels, tokens, group, bundle: task.bundle };
                head.take_all(qkv, input, task.head * channels, output.channels, copied);
                let [queries, keys, values] = thirds(copied);
                head.shares((queries, keys), self.added(table, group, task.head).as_deref(), scores);
                // y[c][i] = Σ over j of values[c][j] · shares[i][j].
                multiply([channels, tokens, tokens], head.by_channel(values), by_row(scores, tokens), found);
                // SAFETY: no two tasks share a bundle, a head and a group, and so no pixel of a channel.
                unsafe { head.put(found, 1.0, to, output, task.head * channels) };
            }
        });
    }

    /// dqkv = the gradient with respect to `qkv`, and the gradient of the table by sample,
    /// `[bundles, offsets · heads, LANES]`, both overwritten. `dtable` is empty without windows.
    ///
    /// # Panics
    /// As [`Attention::forward`].
    #[expect(clippy::too_many_arguments, reason = "two inputs, two gradients, and their layouts")]
    pub fn backward(
        &self,
        table: &[f32],
        qkv: &[f32],
        input: &Maps,
        dy: &[f32],
        output: &Maps,
        dqkv: &mut [f32],
        dtable: &mut [f32],
    ) {
        self.check((qkv.len().min(dqkv.len()), input), (dy.len(), output));
        let to = Shared::new(dqkv);
        let (tokens, channels) = (self.tokens(), output.channels / self.heads);
        let (matrix, square, scale) = (channels * tokens * LANES, tokens * tokens * LANES, scale(channels));
        let run = |scratch: &mut Scratch, task: Task| {
            let scratch = scratch.resize(5 * matrix + 2 * square);
            let (copied, rest) = scratch.split_at_mut(3 * matrix);
            let (dout, rest) = rest.split_at_mut(matrix);
            let (found, rest) = rest.split_at_mut(matrix);
            let (shares, dscores) = rest.split_at_mut(square);
            let first = task.head * channels;
            let mut dbiases = vec![[0.0; LANES]; table.len() / self.heads];
            for group in &self.groups[task.groups.clone()] {
                let head = Head { channels, tokens, group, bundle: task.bundle };
                head.take_all(qkv, input, first, output.channels, copied);
                head.take(dy, output, first, 1.0, dout);
                let [queries, keys, values] = thirds(copied);
                head.shares((queries, keys), self.added(table, group, task.head).as_deref(), shares);
                let put = |found: &[f32], scale: f32, part: usize| {
                    // SAFETY: no two tasks share a bundle, a head and a group, and so no pixel of a channel.
                    unsafe { head.put(found, scale, to, input, part * output.channels + first) };
                };
                // dvalues[c][j] = Σ over i of dy[c][i] · shares[i][j].
                let wide = [channels, tokens, tokens];
                multiply(wide, head.by_channel(dout), by_column(shares, tokens), found);
                put(found, 1.0, 2);
                // dshares[i][j] = Σ over c of dy[c][i] · values[c][j].
                multiply([tokens, tokens, channels], head.by_token(dout), head.by_token(values), dscores);
                dispatch_bundle(SoftmaxBackward { shares, gradients: dscores, columns: tokens });
                // dqueries[c][i] = scale · Σ over j of keys[c][j] · dscores[i][j].
                multiply(wide, head.by_channel(keys), by_row(dscores, tokens), found);
                put(found, scale, 0);
                // dkeys[c][j] = Σ over i of the scaled queries[c][i] · dscores[i][j].
                multiply(wide, head.by_channel(queries), by_column(dscores, tokens), found);
                put(found, 1.0, 1);
                let offsets = self.offsets.iter().flatten();
                for (offset, dscore) in offsets.zip(dscores.as_chunks::<LANES>().0) {
                    dbiases[*offset].iter_mut().zip(dscore).for_each(|(sum, value)| *sum += value);
                }
            }
            dbiases
        };
        let tasks = self.tasks(output);
        let found: Vec<_> = tasks.par_iter().cloned().map_init(Scratch::default, run).collect();
        let (dtable, _) = dtable.as_chunks_mut::<LANES>();
        dtable.as_flattened_mut().fill(0.0);
        for (task, dbiases) in tasks.iter().zip(found) {
            for (offset, of_task) in dbiases.iter().enumerate() {
                let place = task.bundle * table.len() + offset * self.heads + task.head;
                dtable[place].iter_mut().zip(of_task).for_each(|(sum, value)| *sum += value);
            }
        }
    }

    /// Number of tokens in a group.
    fn tokens(&self) -> usize {
        self.groups.first().map_or(0, |group| group.pixels.len())
    }

    fn check(&self, (qkv, input): (usize, &Maps), (y, output): (usize, &Maps)) {
        let pixels = self.groups.len() * self.tokens();
        let heads_divide = output.channels.is_multiple_of(self.heads) && input.channels == 3 * output.channels;
        assert!(heads_divide && input.batch == output.batch, "{} heads: {input:?}, {output:?}", self.heads);
        for maps in [input, output] {
            assert_eq!(maps.height * maps.width, pixels, "pixels of {maps:?}, and tokens of the attention");
        }
        assert!(qkv >= input.len() && y >= output.len(), "buffers of {qkv} and {y} values for {input:?}, {output:?}");
    }

    /// The work, cut by shapes alone.
    fn tasks(&self, output: &Maps) -> Vec<Task> {
        let pieces = TASKS.div_ceil((output.bundles() * self.heads).max(1)).min(self.groups.len());
        let groups = |i: usize| i * self.groups.len() / pieces..(i + 1) * self.groups.len() / pieces;
        let of_bundle = move |bundle| {
            let of_head = move |head| (0..pieces).map(move |i| Task { bundle, head, groups: groups(i) });
            (0..self.heads).flat_map(of_head)
        };
        (0..output.bundles()).flat_map(of_bundle).collect()
    }

    /// What is added to the scores of a group, `[tokens, tokens]`: biases, and the term that keeps tokens apart.
    fn added(&self, table: &[f32], group: &Group, head: usize) -> Option<Vec<f32>> {
        let offsets = self.offsets.as_ref()?;
        let mut added: Vec<f32> = offsets.iter().map(|offset| table[offset * self.heads + head]).collect();
        if let Some(parts) = &group.parts {
            for (row, part) in added.chunks_exact_mut(parts.len()).zip(parts) {
                let others = row.iter_mut().zip(parts).filter(|(_, other)| *other != part);
                others.for_each(|(added, _)| *added += APART);
            }
        }
        Some(added)
    }
}

/// One head of one bundle in some groups.
#[derive(Clone)]
struct Task {
    bundle: usize,
    head: usize,
    groups: Range<usize>,
}

/// Factor of the queries.
fn scale(channels: usize) -> f32 {
    (channels as f64).powf(-0.5) as f32
}

/// Three matrices of one size.
fn thirds(values: &[f32]) -> [&[f32]; 3] {
    let len = values.len() / 3;
    [&values[..len], &values[len..2 * len], &values[2 * len..]]
}

/// A matrix `[tokens, tokens]` by its rows, whose terms are its columns.
fn by_row(values: &[f32], tokens: usize) -> Entries<'_> {
    Entries { values, strides: [tokens, 1] }
}

/// A matrix `[tokens, tokens]` by its columns, whose terms are its rows.
fn by_column(values: &[f32], tokens: usize) -> Entries<'_> {
    Entries { values, strides: [1, tokens] }
}

fn multiply(size: [usize; 3], left: Entries<'_>, right: Entries<'_>, out: &mut [f32]) {
    dispatch_bundle(LaneProduct { size, left, right, out });
}

/// One head of one bundle in one group. Its matrices are `[channels, tokens, LANES]`.
struct Head<'a> {
    channels: usize,
    tokens: usize,
    group: &'a Group,
    bundle: usize,
}

impl Head<'_> {
    /// A matrix by its channels, whose terms are its tokens.
    fn by_channel<'v>(&self, values: &'v [f32]) -> Entries<'v> {
        Entries { values, strides: [self.tokens, 1] }
    }

    /// A matrix by its tokens, whose terms are its channels.
    fn by_token<'v>(&self, values: &'v [f32]) -> Entries<'v> {
        Entries { values, strides: [1, self.tokens] }
    }

    /// The softmax of the scores, `[queries, keys, LANES]`.
    fn shares(&self, (queries, keys): (&[f32], &[f32]), added: Option<&[f32]>, scores: &mut [f32]) {
        let size = [self.tokens, self.tokens, self.channels];
        multiply(size, self.by_token(queries), self.by_token(keys), scores);
        dispatch_bundle(Softmax { scores, columns: self.tokens, added });
    }

    /// Copies the scaled queries, the keys and the values. Each are `apart` channels from the one before.
    fn take_all(&self, qkv: &[f32], input: &Maps, first: usize, apart: usize, to: &mut [f32]) {
        let len = to.len() / 3;
        for (part, to) in to.chunks_exact_mut(len).enumerate() {
            self.take(qkv, input, part * apart + first, if part == 0 { scale(self.channels) } else { 1.0 }, to);
        }
    }

    /// Copies the group's tokens of the channels from `first` on, times `scale`.
    fn take(&self, from: &[f32], maps: &Maps, first: usize, scale: f32, to: &mut [f32]) {
        for (channel, to) in to.chunks_exact_mut(self.tokens * LANES).enumerate() {
            let plane = &from[maps.start(self.bundle, first + channel)..][..maps.used()];
            for (to, pixel) in to.as_chunks_mut::<LANES>().0.iter_mut().zip(&self.group.pixels) {
                let lanes = &plane[pixel * LANES..][..LANES];
                to.iter_mut().zip(lanes).for_each(|(to, value)| *to = value * scale);
            }
        }
    }

    /// Copies back: the way of [`Head::take`] in the other direction.
    ///
    /// # Safety
    /// The maps lie in `to`, and nobody else uses the group's pixels of these channels during the call.
    unsafe fn put(&self, from: &[f32], scale: f32, to: Shared<'_>, maps: &Maps, first: usize) {
        for (channel, from) in from.chunks_exact(self.tokens * LANES).enumerate() {
            let start = maps.start(self.bundle, first + channel);
            for (lanes, pixel) in from.as_chunks::<LANES>().0.iter().zip(&self.group.pixels) {
                // SAFETY: guaranteed by the caller.
                let to = unsafe { to.slice_mut(start + pixel * LANES, LANES) };
                to.iter_mut().zip(lanes).for_each(|(to, value)| *to = value * scale);
            }
        }
    }
}
