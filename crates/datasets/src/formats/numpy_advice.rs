//! Advice for NumPy arrays that are not stored as images, labels or class names are expected: what was found, and the
//! NumPy code that fixes it.

use std::io::Read;

use unlearn_samples::npy::{self, Header};

use crate::formats::picture::Checked;

/// The purpose of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Images,
    Labels,
    Classes,
}

/// Checks that the array `name`, whose elements follow in `reader`, is stored as its purpose requires. For
/// floating-point images, some elements are read to distinguish 0 to 1 from 0 to 255.
///
/// # Errors
/// What was found, and the code that fixes it.
pub(crate) fn check(header: &Header, name: &str, purpose: Use, reader: &mut impl Read) -> Checked<()> {
    match purpose {
        Use::Images => images(header, name, reader),
        Use::Labels => labels(header, name),
        Use::Classes if header.descr.starts_with("<U") && header.shape.len() == 1 => Ok(()),
        Use::Classes => {
            let fix = match code(&header.descr) {
                ('S', _) => format!("{name} = {name}.astype(str)"),
                _ => format!("{name} = np.array([str(c) for c in {name}])"),
            };
            Err(format!(
                "elements are {} of the shape {}; names are texts, one a class: `{fix}`",
                kind(&header.descr),
                npy::tuple(&header.shape)
            ))
        }
    }
}

fn images(header: &Header, name: &str, reader: &mut impl Read) -> Checked<()> {
    let shape = npy::tuple(&header.shape);
    let descr = &*header.descr;
    let refuse = |fix: &str| Err(format!("elements are {}; images are unsigned bytes, 0 to 255: `{fix}`", kind(descr)));
    match code(descr) {
        ('u', 1) => {}
        ('f', width) => {
            let scaled = format!("{name} = (np.clip({name}, 0, 1) * 255).round().astype(\"uint8\")");
            let rounded = format!("{name} = np.clip({name}, 0, 255).round().astype(\"uint8\")");
            return match range(descr, width, reader) {
                Some((least, most)) if least >= 0.0 && most <= 1.0 => Err(format!(
                    "elements are {} from {least} to {most}; images are unsigned bytes, 0 to 255: `{scaled}`",
                    kind(descr)
                )),
                Some((least, most)) if least >= 0.0 && most <= 255.0 => Err(format!(
                    "elements are {} from {least} to {most}; images are unsigned bytes, 0 to 255: `{rounded}`",
                    kind(descr)
                )),
                Some((least, most)) => Err(format!(
                    "elements are {} from {least} to {most}, as of normalised images; undo the normalisation first, then: `{scaled}`",
                    kind(descr)
                )),
                None => Err(format!(
                    "elements are {}; images are unsigned bytes, 0 to 255; if these go from 0 to 1: `{scaled}`",
                    kind(descr)
                )),
            };
        }
        ('O', _) => return refuse(&format!("{name} = np.stack([np.asarray(i) for i in {name}]).astype(\"uint8\")")),
        ('b', _) => return refuse(&format!("{name} = {name}.astype(\"uint8\") * 255")),
        ('i' | 'u', _) => return refuse(&format!("{name} = np.clip({name}, 0, 255).astype(\"uint8\")")),
        _ => return refuse(&format!("{name} = {name}.astype(\"uint8\")")),
    }
    if header.column_major && header.shape.iter().filter(|side| **side > 1).count() > 1 {
        return Err(format!("it is column-major: `{name} = np.ascontiguousarray({name})`"));
    }
    match header.shape[..] {
        [count, len] => Err(format!(
            "its shape {shape} is that of flat images; give them their sides, such as \
             `{name} = {name}.reshape({count}, height, width)` where height · width is {len}"
        )),
        // A picture may be 4 pixels wide or high, with its channels at the other end.
        [_, other, _, 4] if other != 1 && other != 3 => Err(format!(
            "its shape {shape} has 4 channels last; leave out the fourth, transparency: `{name} = {name}[..., :3]`"
        )),
        [_, 4, _, other] if other != 1 && other != 3 => Err(format!(
            "its shape {shape} has 4 channels second; leave out the fourth, transparency: `{name} = {name}[:, :3]`"
        )),
        [_, second @ (1 | 3), _, last @ (1 | 3)] => Err(format!(
            "its shape {shape} has {second} second and {last} last, and which are the channels cannot be told; enlarge the images to more \
             than 3 pixels a side"
        )),
        _ => Ok(()),
    }
}

fn labels(header: &Header, name: &str) -> Checked<()> {
    let refuse = |fix: &str| Err(format!("elements are {}; labels are whole numbers: `{fix}`", kind(&header.descr)));
    let shape = &header.shape[..];
    if let [_, classes] = shape
        && *classes > 1
    {
        let shape = npy::tuple(shape);
        return Err(format!(
            "its shape {shape} is that of one-hot labels of {classes} classes: `{name} = {name}.argmax(axis=1)`"
        ));
    }
    match code(&header.descr) {
        ('i' | 'u', 1) => Ok(()),
        ('i' | 'u', _) if header.descr.starts_with('<') => Ok(()),
        ('U' | 'S' | 'O', _) => refuse(&format!("classes, {name} = np.unique({name}, return_inverse=True)")),
        _ => refuse(&format!("{name} = {name}.astype(\"int64\")")),
    }
}

/// The kind of an element and its bytes, from NumPy's code such as `<f4`.
fn code(descr: &str) -> (char, usize) {
    let mut letters = descr.trim_start_matches(['<', '>', '|', '=']).chars();
    let kind = letters.next().unwrap_or('?');
    (kind, letters.as_str().parse().unwrap_or(0))
}

/// A code in words.
fn kind(descr: &str) -> String {
    let (kind, width) = code(descr);
    let bits = 8 * width.min(1 << 16);
    let order = if descr.starts_with('>') { " of big-endian order" } else { "" };
    let words = match kind {
        'f' => format!("numbers with a point, of {bits} bits"),
        'i' => format!("whole numbers of {bits} bits"),
        'u' => format!("unsigned whole numbers of {bits} bits"),
        'b' => "booleans".into(),
        'O' => "Python objects".into(),
        'S' => "runs of bytes".into(),
        'U' => "texts".into(),
        _ => "of a type that is not read".into(),
    };
    format!("{words}{order} ('{}')", descr.escape_debug())
}

/// Maximum number of elements that are read.
const SOME: usize = 1 << 20;

/// The minimum and maximum of the first elements.
fn range(descr: &str, width: usize, reader: &mut impl Read) -> Option<(f64, f64)> {
    if !descr.starts_with('<') || !matches!(width, 4 | 8) {
        return None;
    }
    let mut bytes = Vec::new();
    reader.take((SOME * width) as u64).read_to_end(&mut bytes).ok()?;
    let number = |bytes: &[u8]| match bytes {
        [a, b, c, d] => f64::from(f32::from_le_bytes([*a, *b, *c, *d])),
        _ => f64::from_le_bytes(bytes.try_into().unwrap_or_default()),
    };
    let numbers = bytes.chunks_exact(width).map(number).filter(|number| number.is_finite());
    let (least, most) =
        numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), x| (x.min(least), x.max(most)));
    (least <= most).then_some((least, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(descr: &str, shape: &[usize], purpose: Use, data: &[u8]) -> String {
        let header = Header { descr: descr.into(), column_major: false, shape: shape.into() };
        check(&header, "a", purpose, &mut &*data).unwrap_err()
    }

    #[test]
    fn what_was_found_and_the_line_that_mends_it_are_said() {
        let floats = |values: [f32; 2]| values.map(f32::to_le_bytes).concat();
        let images = |descr, data: &[u8]| said(descr, &[2, 8, 8, 3], Use::Images, data);
        assert_eq!(
            images("<f4", &floats([0.0, 1.0])),
            "elements are numbers with a point, of 32 bits ('<f4') from 0 to 1; images are unsigned bytes, 0 to 255: \
             `a = (np.clip(a, 0, 1) * 255).round().astype(\"uint8\")`"
        );
        assert!(images("<f4", &floats([0.0, 254.0])).ends_with("`a = np.clip(a, 0, 255).round().astype(\"uint8\")`"));
        assert!(images("<f4", &floats([-2.5, 2.5])).contains("from -2.5 to 2.5, as of normalised images; undo"));
        assert!(
            images("<f2", &[])
                .contains("of 16 bits ('<f2'); images are unsigned bytes, 0 to 255; if these go from 0 to 1: `")
        );
        assert!(images("<i2", &[]).ends_with("`a = np.clip(a, 0, 255).astype(\"uint8\")`"));
        assert!(images("|b1", &[]).starts_with("elements are booleans ('|b1'); images"));
        assert!(images("|O", &[]).starts_with("elements are Python objects ('|O'); images"));
        assert!(said("|u1", &[2, 192], Use::Images, &[]).contains("is that of flat images"));
        assert!(said("|u1", &[2, 8, 8, 4], Use::Images, &[]).ends_with("`a = a[..., :3]`"));
        let ambiguous = said("|u1", &[2, 3, 8, 1], Use::Images, &[]);
        assert!(
            ambiguous.contains("(2, 3, 8, 1) has 3 second and 1 last, and which are the channels cannot be told"),
            "{ambiguous}"
        );
        let labels = |descr, shape: &[usize]| said(descr, shape, Use::Labels, &[]);
        assert!(labels("|b1", &[2]).ends_with("booleans ('|b1'); labels are whole numbers: `a = a.astype(\"int64\")`"));
        assert!(labels("<f8", &[2]).ends_with("`a = a.astype(\"int64\")`"));
        assert!(labels(">i8", &[2]).starts_with("elements are whole numbers of 64 bits of big-endian order ('>i8')"));
        assert!(
            labels("<f8", &[2, 3]).ends_with("(2, 3) is that of one-hot labels of 3 classes: `a = a.argmax(axis=1)`")
        );
        assert!(labels("<U3", &[2]).ends_with("`classes, a = np.unique(a, return_inverse=True)`"));
        assert!(said("|S1", &[3], Use::Classes, &[]).ends_with("`a = a.astype(str)`"));
    }
}
