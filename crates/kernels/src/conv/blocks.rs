//! Cutting channels into register blocks of nearly equal size.

use std::ops::Range;

/// Cuts `channels` into as few ranges of at most `largest` as possible, with sizes that differ by at most one. A
/// short last block would leave most of the registers idle.
pub(crate) fn even_blocks(channels: usize, largest: usize) -> Vec<Range<usize>> {
    let count = channels.div_ceil(largest);
    (0..count).map(|i| i * channels / count..(i + 1) * channels / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_even_and_cover_every_channel() {
        let sizes = |channels, largest| -> Vec<usize> {
            even_blocks(channels, largest).into_iter().map(|block| block.len()).collect()
        };
        assert_eq!(sizes(16, 6), [5, 5, 6]);
        assert_eq!(sizes(3, 6), [3]);
        for channels in 1..70 {
            assert_eq!(sizes(channels, 6).iter().sum::<usize>(), channels);
            assert!(sizes(channels, 6).iter().all(|&size| (1..=6).contains(&size)));
        }
    }
}
