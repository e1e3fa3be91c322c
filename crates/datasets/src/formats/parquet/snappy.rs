//! Reads parts of Snappy streams, so that one picture of a packed page is read without the rest of the page.
//!
//! A stream is its length and then elements: literal bytes, and copies of earlier bytes. Encoders pack 64 KB at a
//! time and copy nothing from earlier blocks, but the format does not guarantee this. So a walk over the elements
//! finds the parts that can be unpacked by themselves. The walk is cheap: a JPEG file hardly compresses, so most of
//! its bytes are literals, which are skipped. Format:
//! <https://github.com/google/snappy/blob/main/format_description.txt>. The crate `snap` handles whole streams.

use crate::formats::picture::Checked;

/// Minimum bytes of output between two checkpoints.
const SPACING: usize = 1 << 14;

/// A position between two elements. No later element refers to bytes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Bytes of output before it.
    pub(crate) output: u32,
    /// Bytes of the stream before it.
    pub(crate) input: u32,
}

#[derive(Debug, Clone, Copy)]
enum Element {
    Literal { len: usize },
    Copy { offset: usize, len: usize },
}

/// The first element, and the bytes of its tag. The bytes of a literal follow.
fn element(stream: &[u8]) -> Checked<(Element, usize)> {
    let cut = || "its packed bytes end too early".to_owned();
    let (&tag, rest) = stream.split_first().ok_or_else(cut)?;
    let number = |bytes: usize| -> Checked<usize> {
        let bytes = rest.get(..bytes).ok_or_else(cut)?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    };
    let high = usize::from(tag >> 2);
    Ok(match tag & 3 {
        0 if high < 60 => (Element::Literal { len: high + 1 }, 1),
        0 => (Element::Literal { len: number(high - 59)? + 1 }, high - 58),
        1 => (Element::Copy { offset: (high >> 3) << 8 | number(1)?, len: (high & 7) + 4 }, 2),
        2 => (Element::Copy { offset: number(2)?, len: high + 1 }, 3),
        _ => (Element::Copy { offset: number(4)?, len: high + 1 }, 5),
    })
}

/// The checkpoints of a whole stream, ascending: before its first element, some between, and after its last.
pub(crate) fn checkpoints(stream: &[u8]) -> Checked<Vec<Checkpoint>> {
    // The length has seven bits per byte. It is that of the output, and is checked when the whole stream is unpacked.
    let mut input =
        stream.iter().take(5).position(|byte| byte & 0x80 == 0).ok_or("its packed bytes have no length")? + 1;
    let mut output = 0_usize;
    let checkpoint = |output: usize, input: usize| -> Checked<Checkpoint> {
        let [output, input] = [output, input].map(u32::try_from);
        let large = |_| "its packed bytes exceed 4 GB";
        Ok(Checkpoint { output: output.map_err(large)?, input: input.map_err(large)? })
    };
    let mut found = vec![checkpoint(output, input)?];
    while input < stream.len() {
        if output - found.last().map_or(0, |last| last.output as usize) >= SPACING {
            found.push(checkpoint(output, input)?);
        }
        let (element, tag) = element(&stream[input..])?;
        input += tag;
        match element {
            Element::Literal { len } => (input, output) = (input + len, output + len),
            Element::Copy { offset, len } => {
                let from = output.checked_sub(offset).ok_or("its packed bytes refer to what is before them")?;
                while found.last().is_some_and(|last| last.output as usize > from) {
                    found.pop();
                }
                output += len;
            }
        }
    }
    if input > stream.len() {
        return Err("its packed bytes end too early".into());
    }
    found.push(checkpoint(output, input)?);
    Ok(found)
}

/// Unpacks the elements from a checkpoint on, until there are `len` bytes.
///
/// # Errors
/// If there are fewer, or they refer to bytes before the checkpoint.
pub(crate) fn unpack(mut elements: &[u8], len: usize) -> Checked<Vec<u8>> {
    let mut output = Vec::with_capacity(len);
    while output.len() < len {
        let (element, tag) = element(elements)?;
        elements = &elements[tag..];
        match element {
            Element::Literal { len: literal } => {
                let part = literal.min(len - output.len());
                output.extend(elements.get(..part).ok_or("its packed bytes end too early")?);
                elements = elements.get(literal..).unwrap_or_default();
            }
            Element::Copy { offset, len: copied } => {
                let from = output.len().checked_sub(offset).filter(|_| offset > 0);
                let from = from.ok_or("its packed bytes refer to what is before them")?;
                // A copy may overlap its own output, and then repeats.
                for at in from..from + copied.min(len - output.len()) {
                    output.push(output[at]);
                }
            }
        }
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of literals and copies, and its unpacked bytes.
    fn stream(elements: &[Result<Vec<u8>, (usize, usize)>]) -> (Vec<u8>, Vec<u8>) {
        let (mut packed, mut plain) = (vec![0x80, 1], Vec::new());
        for element in elements {
            match element {
                Ok(literal) if literal.len() <= 60 => packed.push((literal.len() as u8 - 1) << 2),
                Ok(literal) => {
                    packed.push(61 << 2);
                    packed.extend((literal.len() as u16 - 1).to_le_bytes());
                }
                Err((offset, len)) if *offset < 2048 && (4..12).contains(len) => {
                    packed.extend([(offset >> 8 << 5) as u8 | ((len - 4) << 2) as u8 | 1, *offset as u8]);
                }
                Err((offset, len)) if *offset < 1 << 16 => {
                    packed.push(((len - 1) << 2) as u8 | 2);
                    packed.extend((*offset as u16).to_le_bytes());
                }
                Err((offset, len)) => {
                    packed.push(((len - 1) << 2) as u8 | 3);
                    packed.extend((*offset as u32).to_le_bytes());
                }
            }
            match element {
                Ok(literal) => {
                    packed.extend(literal);
                    plain.extend(literal);
                }
                Err((offset, len)) => (0..*len).for_each(|_| plain.push(plain[plain.len() - offset])),
            }
        }
        (packed, plain)
    }

    #[expect(clippy::unnecessary_wraps, reason = "an element that is no copy")]
    fn literal(len: usize) -> Result<Vec<u8>, (usize, usize)> {
        Ok((0..len).map(|i| (i * i % 251) as u8).collect())
    }

    #[test]
    fn what_is_between_two_checkpoints_unpacks_by_itself() {
        let (packed, plain) = stream(&[
            literal(20_000),
            Err((7, 11)),
            Err((1500, 9)),
            literal(60_000),
            literal(3),
            Err((2, 64)),
            literal(20_000),
            // This refers to bytes before the previous checkpoint.
            Err((70_000, 20)),
            literal(30_000),
            Err((5000, 50)),
        ]);
        let found = checkpoints(&packed).unwrap();
        let outputs: Vec<_> = found.iter().map(|checkpoint| checkpoint.output as usize).collect();
        assert_eq!(outputs, [0, 20_020, 100_107, 130_157]);
        for (at, from) in found.iter().enumerate() {
            for to in &found[at..] {
                let part = unpack(&packed[from.input as usize..to.input as usize], (to.output - from.output) as usize);
                assert!(part.unwrap() == plain[from.output as usize..to.output as usize], "{from:?} to {to:?}");
            }
        }
        let all = &packed[found[0].input as usize..];
        for len in [1, 19_999, 20_001, 20_011, 80_025] {
            assert!(unpack(all, len).unwrap() == plain[..len]);
        }
    }

    #[test]
    fn streams_that_are_cut_or_refer_to_nothing_are_refused() {
        let (packed, plain) = stream(&[literal(100), Err((7, 11)), Err((80, 40)), literal(70)]);
        for len in 0..packed.len() {
            let whole =
                checkpoints(&packed[..len]).is_ok_and(|found| found.last().unwrap().output as usize == plain.len());
            assert!(!whole && unpack(&packed[2.min(len)..len], plain.len()).is_err(), "cut to {len} bytes");
        }
        assert_eq!(unpack(&packed[2..], plain.len()).unwrap(), plain);
        let (mut before, _) = stream(&[literal(10), Err((7, 11))]);
        *before.last_mut().unwrap() = 11;
        for problem in [checkpoints(&before).map(|_| ()), unpack(&before[2..], 21).map(|_| ())] {
            assert_eq!(problem.unwrap_err(), "its packed bytes refer to what is before them");
        }
        *before.last_mut().unwrap() = 0;
        assert!(unpack(&before[2..], 21).is_err());
        assert!(checkpoints(&[0xFF; 9]).is_err());
    }
}
