//! The Mersenne Twister MT19937, seeded as NumPy's legacy `RandomState(seed)`.
//!
//! Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998. `RandomState` seeds the generator from one
//! integer with the authors' `init_genrand` of 2002, and reads 64-bit words with the high half first.
//! `tests/golden/datasets` compares it with NumPy word for word.

use std::convert::Infallible;

use rand::TryRng;

const WORDS: usize = 624;
const SHIFT: usize = 397;
const UPPER_BIT: u32 = 0x8000_0000;
const LOWER_BITS: u32 = 0x7FFF_FFFF;
const TWIST: u32 = 0x9908_B0DF;

/// The generator. [`rand::Rng`] draws from it.
#[derive(Debug, Clone)]
pub struct Mt19937 {
    state: [u32; WORDS],
    /// Index in `state` of the next word to return. [`WORDS`] means that a new block must be generated.
    position: usize,
}

impl Mt19937 {
    /// The state of `numpy.random.RandomState(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; WORDS];
        for i in 1..WORDS {
            let previous = state[i - 1];
            state[i] = (previous ^ (previous >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Self { state, position: WORDS }
    }

    fn twist(&mut self) {
        for i in 0..WORDS {
            let mixed = (self.state[i] & UPPER_BIT) | (self.state[(i + 1) % WORDS] & LOWER_BITS);
            let odd = if mixed & 1 == 1 { TWIST } else { 0 };
            self.state[i] = self.state[(i + SHIFT) % WORDS] ^ (mixed >> 1) ^ odd;
        }
        self.position = 0;
    }
}

impl TryRng for Mt19937 {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        if self.position == WORDS {
            self.twist();
        }
        let mut word = self.state[self.position];
        self.position += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9D2C_5680;
        word ^= (word << 15) & 0xEFC6_0000;
        Ok(word ^ (word >> 18))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let high = u64::from(self.try_next_u32()?);
        Ok(high << 32 | u64::from(self.try_next_u32()?))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            let word = self.try_next_u32()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;
    use unlearn_tests::numpy_legacy;

    use super::*;
    use crate::choice;

    #[test]
    fn words_are_numpys() {
        for case in numpy_legacy::read().raw {
            let mut rng = Mt19937::new(case.seed);
            for _ in 0..case.skipped {
                rng.next_u32();
            }
            let words: Vec<u32> = case.words.iter().map(|_| rng.next_u32()).collect();
            assert_eq!(words, case.words, "seed {} after {} words", case.seed, case.skipped);
        }
    }

    #[test]
    fn choice_without_replacement_is_numpys() {
        for case in numpy_legacy::read().permutations {
            let population: Vec<u32> = (0..case.size).collect();
            let mut rng = Mt19937::new(case.seed);
            let what = format!("seed {}, size {}", case.seed, case.size);
            case.drawn.check(&choice(&mut rng, &population, population.len()), &what);
            assert_eq!(rng.next_u32(), case.next_word, "{what}: as many words must have been used");
        }
    }

    #[test]
    fn wide_words_and_bytes_read_the_same_stream() {
        let mut narrow = Mt19937::new(5);
        let (first, second) = (narrow.next_u32(), narrow.next_u32());
        assert_eq!(Mt19937::new(5).next_u64(), u64::from(first) << 32 | u64::from(second));
        let mut bytes = [0; 6];
        Mt19937::new(5).fill_bytes(&mut bytes);
        assert_eq!(bytes[..4], first.to_le_bytes());
        assert_eq!(bytes[4..], second.to_le_bytes()[..2]);
    }
}
