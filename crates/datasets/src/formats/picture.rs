//! Decodes one picture's file to grey bytes or to red, green and blue bytes. PNG and JPEG are decoded here, and WebP,
//! BMP and TIFF in `other_picture.rs`. Also writes PNG.
//!
//! The first bytes of a file decide its format, never its name: one of ImageNet's `.JPEG` files is a PNG. A header
//! cannot cause an allocation beyond 64 million pixels. Transparency is dropped, and 16 bits per channel become the
//! upper 8, as in Pillow's `convert("RGB")`. Grey of 16 bits is refused: Pillow clips it at 255, and others take the
//! upper 8 bits, so no value is right for all.

use std::io::{self, Cursor};

use png::{BitDepth, ColorType, Transformations};
use unlearn_files::Form;
use unlearn_samples::{Picture, Sides};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::formats::other_picture;

/// Maximum pixels of a picture: 64 million, several times the largest of ImageNet.
pub const LIMIT: usize = 1 << 26;

/// Maximum bytes of rows per byte of a PNG file, by Deflate.
const DEFLATE: usize = 1032;

/// Maximum pixels per byte of a JPEG file: a block of 8 × 8 takes at least one bit.
const JPEG_PIXELS: usize = 512;

const JPEG_MAGIC: &[u8] = b"\xFF\xD8\xFF";

/// A result whose error is the fault of a file.
pub type Checked<T> = Result<T, String>;

/// The dimensions of the picture in `file`, from its header alone.
pub(crate) fn sides(file: &[u8]) -> Checked<Sides> {
    match Form::of(file) {
        Form::Png => Ok(png_sides(&png_reader(file)?)),
        form if other_picture::is_read(form) => other_picture::sides(file, form),
        _ => jpeg_decoder(file).map(|open| open.1),
    }
}

/// The picture in `file`.
///
/// # Errors
/// If its format is not supported, or it is damaged, or it announces more pixels than are read.
pub fn decode(file: &[u8]) -> Checked<Picture> {
    match Form::of(file) {
        Form::Png => decode_png(file),
        form if other_picture::is_read(form) => other_picture::decode(file, form),
        _ => decode_jpeg(file),
    }
}

pub(crate) fn sound(sides: Sides) -> Checked<Sides> {
    let Sides { height, width, .. } = sides;
    match height.checked_mul(width) {
        Some(1..=LIMIT) => Ok(sides),
        _ => Err(format!("it announces {height}×{width} pixels; 1 to {LIMIT} are read")),
    }
}

/// The error for a file that announces more than it can hold. It is refused before memory is taken.
fn beyond(Sides { height, width, .. }: Sides, file: &[u8]) -> String {
    format!("it announces {height}×{width} pixels, more than its {} bytes can hold; fetch the file again", file.len())
}

/// The error for a file that its decoder cannot read. A decoder's text may have lines of its own.
fn damaged(error: &dyn std::fmt::Display) -> String {
    let reason = error.to_string();
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{}; fetch the file again", reason.trim_end_matches(['.', ';']))
}

type PngReader<'a> = png::Reader<Cursor<&'a [u8]>>;

fn png_reader(file: &[u8]) -> Checked<PngReader<'_>> {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    // Neither is needed for pixels, and both may be packed.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let reader = decoder.read_info().map_err(|error| damaged(&error))?;
    if (reader.info().color_type, reader.info().bit_depth) == (ColorType::Grayscale, BitDepth::Sixteen) {
        return Err(
            "it is grey of 16 bits a pixel, and pictures here have 8; convert it to 8 bits, choosing how it is scaled"
                .into(),
        );
    }
    if reader.info().animation_control.is_some_and(|animation| animation.num_frames > 1) {
        return Err("it is an animation; convert the intended picture to a PNG of its own".into());
    }
    let sides = sound(png_sides(&reader))?;
    if reader.info().raw_bytes() / DEFLATE > file.len() {
        return Err(beyond(sides, file));
    }
    Ok(reader)
}

fn png_sides(reader: &PngReader<'_>) -> Sides {
    let channels = match reader.output_color_type().0 {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => 1,
        _ => 3,
    };
    let info = reader.info();
    Sides { channels, height: info.height as usize, width: info.width as usize }
}

fn decode_png(file: &[u8]) -> Checked<Picture> {
    let Picture { sides, pixels } = png_with_opacity(file)?;
    // Two channels are grey and opacity, four are colours and opacity.
    let colours = sides.channels - usize::from(sides.channels % 2 == 0);
    if colours == sides.channels {
        return Ok(Picture { sides, pixels });
    }
    let pixels = pixels.chunks_exact(sides.channels).flat_map(|pixel| &pixel[..colours]).copied().collect();
    Ok(Picture { sides: Sides { channels: colours, ..sides }, pixels })
}

/// The picture in `file`, with the opacity of its pixels if it is a PNG that has one: 1 channel (grey), 2 (grey, opacity), 3 (red,
/// green, blue) or 4 (red, green, blue, opacity).
///
/// # Errors
/// As [`decode`].
pub fn decode_with_opacity(file: &[u8]) -> Checked<Picture> {
    if Form::of(file) == Form::Png { png_with_opacity(file) } else { decode(file) }
}

fn png_with_opacity(file: &[u8]) -> Checked<Picture> {
    let mut reader = png_reader(file)?;
    let sides = png_sides(&reader);
    let len = reader.output_buffer_size().ok_or("its pixels exceed the memory")?;
    let mut pixels = vec![0; len];
    let frame = reader.next_frame(&mut pixels).map_err(|error| damaged(&error))?;
    pixels.truncate(frame.buffer_size());
    whole(Picture { sides: Sides { channels: frame.color_type.samples(), ..sides }, pixels })
}

/// A decoder that has read the header.
fn jpeg_decoder(file: &[u8]) -> Checked<(JpegDecoder<ZCursor<&[u8]>>, Sides)> {
    if !file.starts_with(JPEG_MAGIC) {
        return Err(other(file));
    }
    let mut decoder = JpegDecoder::new(ZCursor::new(file));
    decoder.decode_headers().map_err(|error| damaged(&error))?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let colours = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    let limits = DecoderOptions::default().set_max_width(LIMIT).set_max_height(LIMIT);
    decoder.set_options(limits.jpeg_set_out_colorspace(colours));
    let sides = sound(Sides { channels: if grey { 1 } else { 3 }, height, width })?;
    if height * width / JPEG_PIXELS > file.len() {
        return Err(beyond(sides, file));
    }
    Ok((decoder, sides))
}

/// The error for a file in an unsupported format.
fn other(file: &[u8]) -> String {
    let form = Form::of(file);
    let found = match form {
        Form::Unknown => format!(
            "it begins with {}",
            file[..file.len().min(4)].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
        ),
        form => format!("it is {form}"),
    };
    let fix = form.advice().unwrap_or("convert it to PNG");
    format!("it is not a PNG, JPEG, WebP, BMP or TIFF picture: {found}; {fix}")
}

/// The bytes of a JPEG up to its own end marker, which follows the data of its scans. An embedded thumbnail has
/// another end marker. Data after the end, such as a second picture or a video, do not belong to the picture. The
/// decoder would fill the missing part of a cut file with grey.
fn up_to_end(file: &[u8]) -> Checked<&[u8]> {
    let cut = || "it ends before its end marker; fetch the file again".to_owned();
    // After the start marker.
    let mut at = 2;
    loop {
        // Bytes other than markers are data of a scan. In these data, 00 or the number of a restart follows FF.
        at += file.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xFF)).ok_or_else(cut)?;
        at += file[at..].iter().position(|&byte| byte != 0xFF).ok_or_else(cut)?;
        let marker = file[at];
        at += 1;
        match marker {
            0xD9 => return Ok(&file[..at]),
            // No marker, restarts, and other markers without a length.
            0x00 | 0x01 | 0xD0..=0xD8 => {}
            // The length includes its own two bytes.
            _ => {
                let len = file.get(at..at + 2).ok_or_else(cut)?;
                at += usize::from(u16::from_be_bytes([len[0], len[1]])).max(2);
            }
        }
    }
}

fn decode_jpeg(file: &[u8]) -> Checked<Picture> {
    // A file of another format is reported first.
    let file = if file.starts_with(JPEG_MAGIC) { up_to_end(file)? } else { file };
    let (mut decoder, sides) = jpeg_decoder(file)?;
    let pixels = decoder.decode().map_err(|error| damaged(&error))?;
    whole(Picture { sides, pixels })
}

pub(crate) fn whole(picture: Picture) -> Checked<Picture> {
    let Sides { channels, height, width } = picture.sides;
    if picture.pixels.len() == channels * height * width {
        return Ok(picture);
    }
    Err(format!("{} bytes do not make {height}×{width} pixels of {channels} channels", picture.pixels.len()))
}

/// The picture as a PNG file.
///
/// # Errors
/// If it has no pixel, or neither 1 nor 3 channels.
pub fn encode(picture: &Picture) -> io::Result<Vec<u8>> {
    let Sides { channels, height, width } = picture.sides;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(if channels == 1 { ColorType::Grayscale } else { ColorType::Rgb });
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.pixels)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOUR: Sides = Sides { channels: 3, height: 2, width: 2 };

    #[test]
    fn opacity_is_kept_where_it_is_asked_for() {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 2, 1);
        encoder.set_color(ColorType::Rgba);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[1, 2, 3, 255, 4, 5, 6, 0]).unwrap();
        writer.finish().unwrap();
        let layered = decode_with_opacity(&file).unwrap();
        assert_eq!((layered.sides.channels, layered.pixels.as_slice()), (4, &[1, 2, 3, 255, 4, 5, 6, 0][..]));
        let plain = decode(&file).unwrap();
        assert_eq!((plain.sides.channels, plain.pixels.as_slice()), (3, &[1, 2, 3, 4, 5, 6][..]));
    }

    #[test]
    fn a_png_is_read_whole_and_its_header_alone() {
        let pixels: Vec<u8> = (0..12).map(|i| i * 20).collect();
        let file = encode(&Picture { sides: COLOUR, pixels: pixels.clone() }).unwrap();
        assert_eq!(sides(&file).unwrap(), COLOUR);
        assert_eq!(decode(&file).unwrap(), Picture { sides: COLOUR, pixels });
    }

    #[test]
    fn an_animation_is_refused_and_a_cut_file_is_to_be_fetched_again() {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 1, 1);
        encoder.set_color(ColorType::Grayscale);
        encoder.set_animated(2, 0).unwrap();
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[1]).unwrap();
        writer.write_image_data(&[2]).unwrap();
        writer.finish().unwrap();
        assert!(decode(&file).unwrap_err().starts_with("it is an animation; convert"));
        let whole = encode(&Picture { sides: COLOUR, pixels: vec![7; 12] }).unwrap();
        let cut = decode(&whole[..whole.len() - 20]).unwrap_err();
        assert!(cut.ends_with("; fetch the file again") && !cut.contains('\n'), "{cut}");
    }

    #[test]
    fn other_files_and_huge_announcements_are_refused() {
        assert_eq!(
            decode(b"GIF89a").unwrap_err(),
            "it is not a PNG, JPEG, WebP, BMP or TIFF picture: it is a GIF picture; convert it to PNG"
        );
        assert_eq!(
            decode(b"\0\x01\x02\x03\x04").unwrap_err(),
            "it is not a PNG, JPEG, WebP, BMP or TIFF picture: it begins with 00 01 02 03; convert it to PNG"
        );
        let empty = "it is not a PNG, JPEG, WebP, BMP or TIFF picture: it is an empty file; \
                     the download or the copy failed; fetch the file again";
        assert_eq!(decode(b"").unwrap_err(), empty);
        let mut file = encode(&Picture { sides: COLOUR, pixels: vec![0; 12] }).unwrap();
        for len in 0..file.len() - 16 {
            assert!(decode(&file[..len]).is_err(), "cut to {len} bytes");
        }
        let mut announce = |height: u16, width: u16| {
            // Width and height of the header, and its checksum.
            let [height, width] = [height, width].map(|side| u32::from(side).to_be_bytes());
            let header = [&b"IHDR"[..], &width, &height, b"\x08\x02\0\0\0"].concat();
            let mut crc = flate2::Crc::new();
            crc.update(&header);
            file[12..29].copy_from_slice(&header);
            file[29..33].copy_from_slice(&crc.sum().to_be_bytes());
            decode(&file).unwrap_err()
        };
        assert!(announce(65535, 65535).starts_with("it announces 65535×65535 pixels; 1 to"));
        assert!(announce(4000, 5000).contains("it announces 4000×5000 pixels, more than its "));

        let mut jpeg = unlearn_tests::golden::bytes("datasets/pictures/jpeg/grey.jpg");
        let frame = jpeg.windows(2).position(|bytes| bytes == b"\xFF\xC0").unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0x10, 0, 0x20, 0]);
        assert!(decode(&jpeg).unwrap_err().starts_with("it announces 4096×8192 pixels, more than its "));
    }
}
