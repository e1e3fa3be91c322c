//! Pictures that are neither PNG nor JPEG: WebP, BMP and TIFF, decoded by the crate `image`.
//!
//! Results equal Pillow's `convert("RGB")`, pixel for pixel. All kinds of WebP except animations are read, and all
//! kinds of BMP except 16 bits per pixel, which decoders round differently. Transparency is dropped. Of TIFF, 8 bits
//! of grey or of red, green and blue are read. TIFF has many more kinds that decoders show in different colours, and
//! files of several pictures. These are refused.

use std::io::Cursor;

use image::codecs::{bmp::BmpDecoder, tiff::TiffDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{ExtendedColorType, ImageDecoder, ImageError, ImageResult, Limits};
use unlearn_files::Form;
use unlearn_samples::{Picture, Sides};

use crate::formats::picture::{Checked, sound, whole};

/// Pixels that any file may have: 4 million.
const ALWAYS: usize = 1 << 22;

/// Maximum pixels per byte of a larger file.
const PIXELS: usize = 512;

/// Whether a file of this form is read here.
pub(crate) fn is_read(form: Form) -> bool {
    matches!(form, Form::WebP | Form::Bmp | Form::Tiff)
}

/// The dimensions of the picture in `file`, which is of `form`.
pub(crate) fn sides(file: &[u8], form: Form) -> Checked<Sides> {
    match form {
        Form::WebP => webp(file).and_then(|decoder| sides_of(&decoder, file)),
        Form::Bmp => bmp(file).and_then(|decoder| sides_of(&decoder, file)),
        _ => tiff(file).and_then(|decoder| sides_of(&decoder, file)),
    }
}

/// The picture in `file`, which is of `form`.
pub(crate) fn decode(file: &[u8], form: Form) -> Checked<Picture> {
    match form {
        Form::WebP => read(webp(file)?, file),
        Form::Bmp => read(bmp(file)?, file),
        _ => read(tiff(file)?, file),
    }
}

fn opened<T>(result: ImageResult<T>) -> Checked<T> {
    result.map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        match error {
            // A sound file of another kind: to fetch it again would not help.
            ImageError::Unsupported(_) => format!("{reason}; convert it to PNG"),
            _ => format!("{reason}; fetch the file again, or convert it to PNG"),
        }
    })
}

fn webp(file: &[u8]) -> Checked<WebPDecoder<Cursor<&[u8]>>> {
    let decoder = opened(WebPDecoder::new(Cursor::new(file)))?;
    if decoder.has_animation() {
        return Err("it is an animation; convert the intended picture to PNG".into());
    }
    // The decoder takes memory for the dimensions of the inner picture before it compares them with those of the
    // file.
    let (width, height) = decoder.dimensions();
    if frames(file).any(|sides| sides != [width, height]) {
        return Err("the picture within has other sides than the file announces; fetch the file again".into());
    }
    Ok(decoder)
}

/// Width and height of the pictures in a WebP file. Its chunks are a name, a length and that many bytes, padded to an
/// even number.
fn frames(file: &[u8]) -> impl Iterator<Item = [u32; 2]> {
    let mut rest = file.get(12..).unwrap_or_default();
    let chunks = std::iter::from_fn(move || {
        let (head, tail) = rest.split_at_checked(8)?;
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let data = &tail[..len.min(tail.len())];
        rest = tail.get(len.saturating_add(len % 2)..).unwrap_or_default();
        Some((head, data))
    });
    chunks.filter_map(|(head, data)| match &head[..4] {
        // A tag of three bytes, a start code of three, and two dimensions of 14 bits each.
        b"VP8 " => {
            let sides: [u8; 4] = data.get(6..10)?.try_into().ok()?;
            let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
            Some([side(sides[0], sides[1]), side(sides[2], sides[3])])
        }
        // One byte, then two dimensions of 14 bits each, minus 1.
        b"VP8L" => {
            let bits = u32::from_le_bytes(data.get(1..5)?.try_into().ok()?);
            Some([(bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1])
        }
        _ => None,
    })
}

fn bmp(file: &[u8]) -> Checked<BmpDecoder<Cursor<&[u8]>>> {
    // The oldest kind has a shorter header, and never 16 bits.
    if file.get(14) != Some(&12) && file.get(28..30) == Some(&[16, 0]) {
        return Err("it is a BMP picture of 16 bits a pixel, which are not read; convert it to PNG".into());
    }
    opened(BmpDecoder::new(Cursor::new(file)))
}

fn tiff(file: &[u8]) -> Checked<TiffDecoder<Cursor<&[u8]>>> {
    let mut decoder = opened(TiffDecoder::new(Cursor::new(file)))?;
    if !matches!(decoder.original_color_type(), ExtendedColorType::L8 | ExtendedColorType::Rgb8)
        || samples_are_jpeg(file)
    {
        return Err(
            "of TIFF, 8 bits of grey or of red, green and blue are read, without JPEG inside; convert it to PNG".into(),
        );
    }
    if opened(decoder.orientation())? != Orientation::NoTransforms {
        return Err("it is a TIFF picture with a rotation; rotate it, and save it as PNG".into());
    }
    if directory(file).is_none_or(|(_, next)| next != 0) {
        return Err("it is a TIFF file of several pictures; convert the intended one to PNG".into());
    }
    Ok(decoder)
}

/// The numbers of the fields in the first directory of a TIFF file with their short values, and the position of the
/// next directory, which is 0 if there is none.
fn directory(file: &[u8]) -> Option<(Vec<(u16, u16)>, u32)> {
    let little = file.starts_with(b"II");
    let short = |at: usize| -> Option<u16> {
        let bytes = [*file.get(at)?, *file.get(at + 1)?];
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |at: usize| -> Option<u32> {
        let [a, b] = [short(at)?, short(at + 2)?].map(u32::from);
        Some(if little { b << 16 | a } else { a << 16 | b })
    };
    let start = usize::try_from(long(4)?).ok()?;
    let count = usize::from(short(start)?);
    let fields = (0..count).map(|field| Some((short(start + 2 + 12 * field)?, short(start + 10 + 12 * field)?)));
    Some((fields.collect::<Option<_>>()?, long(start + 2 + 12 * count)?))
}

/// Whether field 259 of a TIFF file, its compression, means JPEG.
fn samples_are_jpeg(file: &[u8]) -> bool {
    directory(file).is_none_or(|(fields, _)| fields.iter().any(|field| matches!(field, (259, 6 | 7))))
}

fn sides_of(decoder: &impl ImageDecoder, file: &[u8]) -> Checked<Sides> {
    let (width, height) = decoder.dimensions();
    let channels = if decoder.color_type().has_color() { 3 } else { 1 };
    let sides = sound(Sides { channels, height: height as usize, width: width as usize })?;
    let pixels = sides.height * sides.width;
    if pixels > ALWAYS && pixels / PIXELS > file.len() {
        let (height, width) = (sides.height, sides.width);
        return Err(format!(
            "it announces {height}×{width} pixels, out of proportion to its {} bytes; convert it to PNG",
            file.len()
        ));
    }
    Ok(sides)
}

fn read(mut decoder: impl ImageDecoder, file: &[u8]) -> Checked<Picture> {
    let sides = sides_of(&decoder, file)?;
    let (channels, bytes) = (decoder.color_type().channel_count(), decoder.color_type().bytes_per_pixel());
    if channels != bytes {
        return Err("its samples have more than 8 bits; convert it to 8 bits".into());
    }
    let len = sides.height * sides.width * usize::from(bytes);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(4 * len as u64 + (1 << 20));
    opened(decoder.set_limits(limits))?;
    let mut pixels = vec![0; len];
    opened(decoder.read_image(&mut pixels))?;
    let channels = usize::from(channels);
    if channels != sides.channels {
        pixels = pixels.chunks_exact(channels).flat_map(|pixel| &pixel[..sides.channels]).copied().collect();
    }
    whole(Picture { sides, pixels })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(name: &str) -> Vec<u8> {
        unlearn_tests::golden::bytes(&format!("datasets/other-pictures/{name}"))
    }

    #[test]
    fn a_picture_within_webp_must_have_the_sides_of_the_file() {
        for (name, chunk, at) in [("lossy-alpha.webp", &b"VP8 "[..], 14), ("lossless-alpha.webp", b"VP8L", 9)] {
            let mut file = golden(name);
            assert_eq!(frames(&file).collect::<Vec<_>>(), [[45, 37]]);
            assert!(decode(&file, Form::WebP).is_ok(), "{name}");
            let start = file.windows(4).position(|bytes| bytes == chunk).unwrap();
            file[start + at..start + at + 3].fill(0xFF);
            let simple = file.windows(4).all(|bytes| bytes != b"VP8X");
            let error = decode(&file, Form::WebP).unwrap_err();
            let said = "the picture within has other sides than the file announces; fetch the file again";
            assert!(error == said || simple, "{name}: {error}");
        }
    }

    #[test]
    fn what_announces_out_of_proportion_is_refused() {
        let mut file = golden("rgb.bmp");
        file[18..26].copy_from_slice(&[0, 0x20, 0, 0, 0, 0x20, 0, 0]);
        let error = decode(&file, Form::Bmp).unwrap_err();
        assert!(error.starts_with("it announces 8192×8192 pixels, out of proportion to its "), "{error}");
    }
}
