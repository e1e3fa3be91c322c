//! Images on the device: bytes become values in 0..1 and are cropped and mirrored there.

use candle_core::{DType, Result, Tensor};

use super::bus::Bus;
use crate::{Pixels, Placement};

/// The images `[count, channels, height, width]` in 0..1, as [`Pixels::floats`] has them.
pub(super) fn upload(bus: &Bus, pixels: Pixels<'_>, shape: [usize; 4]) -> Result<Tensor> {
    match pixels {
        Pixels::Floats(values) => bus.up(values, &shape[..]),
        Pixels::Bytes { bytes, placements } => {
            let images = scaled(bus, &bus.up(bytes, &shape[..])?)?;
            if placements.is_empty() {
                return Ok(images);
            }
            let (shown, inside) = windows(bus, placements, shape)?;
            let [count, channels, height, width] = shape;
            let shown = shown.reshape((count, 1, height * width))?;
            let shown = shown.broadcast_as((count, channels, height * width))?.contiguous()?;
            // Values and not bytes, because Metal gathers no bytes by positions of four bytes.
            let placed = images.reshape((count, channels, height * width))?.gather(&shown, 2)?;
            placed.reshape(&shape[..])?.broadcast_mul(&inside.unsqueeze(1)?)
        }
    }
}

/// Bytes to 0..1 by a division, as the host does it. Candle divides by a number through its rounded reciprocal.
fn scaled(bus: &Bus, bytes: &Tensor) -> Result<Tensor> {
    bytes.to_dtype(DType::F32)?.broadcast_div(&bus.floats(&[255.0], 1)?)
}

/// For each pixel `[count, height, width]`, the position of the pixel that it shows, and whether it shows one (1 or 0).
fn windows(bus: &Bus, placements: &[Placement], [count, _, height, width]: [usize; 4]) -> Result<(Tensor, Tensor)> {
    let of_each = |value: fn(&Placement) -> f32| placements.iter().map(value);
    let numbers =
        of_each(|p| p.down as f32).chain(of_each(|p| p.right as f32)).chain(of_each(|p| f32::from(u8::from(p.flip))));
    let numbers = bus.up(&numbers.collect::<Vec<_>>(), (3, count, 1))?;
    let (down, right, flip) = (numbers.get(0)?, numbers.get(1)?, numbers.get(2)?);
    let rows = bus.numbers((1, height))?.broadcast_add(&down)?;
    let columns = bus.numbers((1, width))?;
    // x, or width − 1 − x.
    let mirror = (columns.affine(-2.0, (width - 1) as f64))?.broadcast_mul(&flip)?;
    let columns = columns.broadcast_add(&mirror)?.broadcast_add(&right)?;
    let (rows, rows_inside) = within(bus, &rows, height)?;
    let (columns, columns_inside) = within(bus, &columns, width)?;
    let shown = rows.affine(width as f64, 0.0)?.unsqueeze(2)?.broadcast_add(&columns.unsqueeze(1)?)?;
    let inside = rows_inside.unsqueeze(2)?.broadcast_mul(&columns_inside.unsqueeze(1)?)?;
    // Positions are exact in f32 up to 2²⁴, a side of 4,096 pixels.
    Ok((shown.to_dtype(DType::U32)?, inside))
}

/// The nearest positions within a side, and which were within it (1 or 0).
fn within(bus: &Bus, positions: &Tensor, side: usize) -> Result<(Tensor, Tensor)> {
    let bound = |value: usize| bus.floats(&[value as f32], (1, 1));
    let nearest = positions.broadcast_maximum(&bound(0)?)?.broadcast_minimum(&bound(side - 1)?)?;
    let inside = nearest.eq(positions)?.to_dtype(DType::F32)?;
    Ok((nearest, inside))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn crops_and_mirrors_are_the_hosts_to_the_bit() {
        let bus = Bus::new(Device::Cpu);
        for (shape, seed) in [([5, 3, 6, 4], 1), ([5, 1, 3, 7], 2), ([5, 2, 1, 1], 3)] {
            let [count, channels, height, width] = shape;
            let bytes: Vec<u8> =
                (0..count * channels * height * width).map(|i| (i * i * 31 + i * seed) as u8).collect();
            let placed = |down, right, flip| Placement { down, right, flip };
            let placements = [
                placed(0, 0, false),
                placed(2, -1, true),
                placed(-3, 3, false),
                placed(100, 0, true),
                placed(-1, -9, true),
            ];
            for placements in [&placements[..], &[]] {
                let pixels = Pixels::Bytes { bytes: &bytes, placements };
                let found = bus.down::<f32>(&upload(&bus, pixels, shape).unwrap()).unwrap();
                assert_eq!(found, *pixels.floats([channels, height, width]), "{shape:?}");
            }
        }
    }
}
