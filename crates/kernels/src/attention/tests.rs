//! Attention against its definition in f64.

use proptest::prelude::*;

use super::*;
use crate::testing::{assert_maps, at, noise, noisy_maps, on_every_instruction_set, same_bits_on_any_threads};

/// One attention with its data.
struct Case {
    attention: Attention,
    /// For each pixel, the pixels that it attends to, each with the place of its bias.
    sees: Vec<Vec<(usize, Option<usize>)>>,
    table: Vec<f32>,
    input: Maps,
    output: Maps,
    qkv: Vec<f32>,
}

impl Case {
    fn new(
        attention: Attention,
        sees: Vec<Vec<(usize, Option<usize>)>>,
        table: Vec<f32>,
        [heads, channels, width]: [usize; 3],
        batch: usize,
    ) -> Self {
        let features = heads * channels;
        let height = sees.len() / width;
        let (input, output) =
            (Maps::new(3 * features, height, width, batch), Maps::new(features, height, width, batch));
        let qkv = noisy_maps(&input, 3).iter().map(|value| value * 2.0).collect();
        Self { attention, sees, table, input, output, qkv }
    }

    fn among_all(tokens: usize, heads: usize, channels: usize, batch: usize) -> Self {
        let sees = vec![(0..tokens).map(|other| (other, None)).collect(); tokens];
        Self::new(Attention::among_all(tokens, heads), sees, vec![], [heads, channels, tokens], batch)
    }

    /// What a token sees is said anew here: the tokens of its window that the shift has not brought from beyond the
    /// border.
    fn within(windows: Windows, heads: usize, channels: usize, batch: usize) -> Self {
        let Windows { map: [rows, columns], side, shift } = windows;
        let pixels = || (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)));
        let shifted = |place: usize, length: usize| (place + length - shift) % length;
        // A neighbour in a window is as far away in the map as in the window, unless the border lies between.
        let offset = |from: usize, to: usize, length: usize| {
            let (from_shifted, to_shifted) = (shifted(from, length), shifted(to, length));
            let distance = from_shifted.wrapping_sub(to_shifted) as isize;
            let near = from_shifted / side == to_shifted / side && distance == from.wrapping_sub(to) as isize;
            near.then(|| (distance + side as isize - 1) as usize)
        };
        let of_pair = |(row, column): (usize, usize), (to_row, to_column): (usize, usize)| {
            let (down, across) = (offset(row, to_row, rows)?, offset(column, to_column, columns)?);
            Some((to_row * columns + to_column, Some(down * (2 * side - 1) + across)))
        };
        let sees = pixels().map(|from| pixels().filter_map(|to| of_pair(from, to)).collect()).collect();
        let table = noise(Attention::table_len(windows, heads), 7);
        Self::new(Attention::within(windows, heads), sees, table, [heads, channels, columns], batch)
    }

    fn heads(&self) -> usize {
        self.attention.heads
    }

    fn value(&self, part: usize, channel: usize, pixel: usize, sample: usize) -> f64 {
        f64::from(self.qkv[at(&self.input, part * self.output.channels + channel, pixel, sample)])
    }

    /// How much a pixel attends to each pixel that it sees.
    fn shares(&self, head: usize, pixel: usize, sample: usize) -> Vec<f64> {
        let channels = self.output.channels / self.heads();
        let score = |&(other, bias): &(usize, Option<usize>)| {
            let product = |c| self.value(0, c, pixel, sample) * self.value(1, c, other, sample);
            let products = (head * channels..(head + 1) * channels).map(product).sum::<f64>();
            let bias = bias.map_or(0.0, |offset| f64::from(self.table[offset * self.heads() + head]));
            products / (channels as f64).sqrt() + bias
        };
        let powers: Vec<f64> = self.sees[pixel].iter().map(|seen| score(seen).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.iter().map(|power| power / sum).collect()
    }

    fn check(&self) {
        let mut y = vec![f32::NAN; self.output.len()];
        self.attention.forward(&self.table, &self.qkv, &self.input, &mut y, &self.output);
        let channels = self.output.channels / self.heads();
        assert_maps("attention", &self.output, &y, |c, pixel, n| {
            let shares = self.shares(c / channels, pixel, n);
            shares.iter().zip(&self.sees[pixel]).map(|(share, (other, _))| share * self.value(2, c, *other, n)).sum()
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.min(24)))]

    #[test]
    fn all_tokens_attend_to_each_other(
        tokens in 1usize..12, heads in 1usize..4, channels in 1usize..7, batch in prop::sample::select(vec![1usize, 17]),
    ) {
        let case = Case::among_all(tokens, heads, channels, batch);
        on_every_instruction_set(|| case.check());
    }

    #[test]
    fn tokens_attend_within_their_window_and_not_across_the_border(
        down in 1usize..4, across in 1usize..4, side in 1usize..4, shift in 0usize..3, heads in 1usize..3,
        batch in prop::sample::select(vec![1usize, 17]),
    ) {
        let windows = Windows { map: [down * side, across * side], side, shift: shift.min(side - 1) };
        let case = Case::within(windows, heads, 3, batch);
        on_every_instruction_set(|| case.check());
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let case = Case::within(Windows { map: [6, 9], side: 3, shift: 1 }, 2, 5, 37);
    let dy = noisy_maps(&case.output, 5);
    same_bits_on_any_threads(|| {
        let (mut y, mut dqkv) = (vec![0.0; case.output.len()], vec![0.0; case.input.len()]);
        let mut dtable = vec![f32::NAN; case.output.bundles() * case.table.len() * LANES];
        case.attention.forward(&case.table, &case.qkv, &case.input, &mut y, &case.output);
        case.attention.backward(&case.table, &case.qkv, &case.input, &dy, &case.output, &mut dqkv, &mut dtable);
        [y, dqkv, dtable].concat()
    });
}

#[test]
fn the_tail_stays_zero_on_the_way_back() {
    let case = Case::within(Windows { map: [4, 4], side: 2, shift: 1 }, 2, 3, 5);
    let dy = noisy_maps(&case.output, 5);
    let mut dqkv = vec![f32::NAN; case.input.len()];
    let mut dtable = vec![f32::NAN; case.table.len() * LANES];
    case.attention.backward(&case.table, &case.qkv, &case.input, &dy, &case.output, &mut dqkv, &mut dtable);
    let planes = dqkv.chunks(case.input.plane).flat_map(|plane| plane[..case.input.used()].chunks(LANES));
    for lanes in planes.chain(dtable.chunks(LANES)) {
        assert!(lanes[..5].iter().all(|v| v.is_finite()) && lanes[5..].iter().all(|v| *v == 0.0));
    }
}
