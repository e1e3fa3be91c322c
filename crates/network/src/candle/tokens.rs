//! Layers of transformers, on tokens `[batch, tokens, features]`.

use candle_core::{D, Result, Tensor};

use super::bus::Bus;
use crate::TokenOp;

/// Added to the scores of tokens that a shift has joined across the border of the map, so that they do not attend to
/// each other. The value is that of the published code: far below any score, and finite.
const APART: f32 = -100.0;

/// Runs one layer. `parameter` returns the tensor of a parameter.
pub(super) fn run<'t>(bus: &Bus, op: &TokenOp, x: &Tensor, parameter: impl Fn(usize) -> &'t Tensor) -> Result<Tensor> {
    match *op {
        TokenOp::FromMap => x.flatten_from(2)?.transpose(1, 2)?.contiguous(),
        TokenOp::ClassToken { token } => {
            let (batch, _, features) = x.dims3()?;
            Tensor::cat(&[&parameter(token).broadcast_as((batch, 1, features))?.contiguous()?, x], 1)
        }
        TokenOp::Position { embedding } => x.broadcast_add(parameter(embedding)),
        TokenOp::LayerNorm { weight, bias, epsilon } => layer_norm(x, parameter(weight), parameter(bias), epsilon),
        TokenOp::Linear { weight, bias } => linear(x, parameter(weight), bias.map(parameter)),
        TokenOp::Gelu => x.gelu_erf(),
        TokenOp::Attention { heads } => {
            let (batch, tokens, features) = x.dims3()?;
            attend(x, heads, Ok)?.reshape((batch, tokens, features / 3))
        }
        TokenOp::WindowAttention { map, window, shift, heads, table } => {
            Windows { map, side: window, shift }.attend(bus, x, heads, parameter(table))
        }
        TokenOp::Merge { map: [height, width], side } => {
            let (batch, _, features) = x.dims3()?;
            let squares = x.reshape(&[batch, height / side, side, width / side, side, features][..])?;
            let squares = squares.permute(&[0, 1, 3, 4, 2, 5][..])?.contiguous()?;
            squares.reshape((batch, height / side * (width / side), side * side * features))
        }
        TokenOp::First => x.narrow(1, 0, 1)?.squeeze(1),
        TokenOp::Mean => x.mean(1),
    }
}

fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?;
    centred.broadcast_div(&deviation)?.broadcast_mul(weight)?.broadcast_add(bias)
}

fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (batch, tokens, features) = x.dims3()?;
    let product = x.reshape((batch * tokens, features))?.matmul(&weight.t()?)?;
    let product = match bias {
        Some(bias) => product.broadcast_add(bias)?,
        None => product,
    };
    product.reshape((batch, tokens, weight.dim(0)?))
}

/// Attention within each of several groups of tokens, `[groups, tokens, 3 · features]` →
/// `[groups, tokens, features]`. `bias` may change the scores `[groups, heads, tokens, tokens]`.
fn attend(x: &Tensor, heads: usize, bias: impl FnOnce(Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let (groups, tokens, features) = x.dims3()?;
    let of_head = features / 3 / heads;
    let parts = x.reshape((groups, tokens, 3, heads, of_head))?.permute((2, 0, 3, 1, 4))?;
    let part = |index: usize| parts.get(index)?.contiguous();
    let [queries, keys, values] = [part(0)?, part(1)?, part(2)?];
    let queries = (queries * (of_head as f64).powf(-0.5))?;
    let scores = bias(queries.matmul(&keys.transpose(2, 3)?.contiguous()?)?)?;
    let attended = softmax(&scores)?.matmul(&values)?;
    attended.transpose(1, 2)?.contiguous()?.reshape((groups, tokens, features / 3))
}

/// Softmax over the last dimension.
fn softmax(x: &Tensor) -> Result<Tensor> {
    // The largest value cancels in the result, and its gradient cancels too.
    let powers = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
    powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)
}

/// Square windows of a map of tokens.
struct Windows {
    map: [usize; 2],
    side: usize,
    shift: usize,
}

impl Windows {
    fn attend(&self, bus: &Bus, x: &Tensor, heads: usize, table: &Tensor) -> Result<Tensor> {
        let Self { map: [height, width], side, shift } = *self;
        let (batch, tokens, features) = x.dims3()?;
        let (down, across, within) = (height / side, width / side, side * side);
        let shift = shift as i32;
        let x = x.reshape((batch, height, width, features))?.roll(-shift, 1)?.roll(-shift, 2)?;
        let x = x.reshape(&[batch, down, side, across, side, features][..])?;
        let x = x.permute(&[0, 1, 3, 2, 4, 5][..])?.contiguous()?.reshape((batch * down * across, within, features))?;
        let bias = self.bias(bus, table)?;
        let y = attend(&x, heads, |scores| {
            let scores = scores.broadcast_add(&bias)?;
            if shift == 0 {
                return Ok(scores);
            }
            let apart = self.apart(bus)?;
            let by_window = scores.reshape(&[batch, down * across, heads, within, within][..])?;
            by_window.broadcast_add(&apart)?.reshape((batch * down * across, heads, within, within))
        })?;
        let y = y.reshape(&[batch, down, across, side, side, features / 3][..])?;
        let y = y.permute(&[0, 1, 3, 2, 4, 5][..])?.contiguous()?.reshape((batch, height, width, features / 3))?;
        y.roll(shift, 1)?.roll(shift, 2)?.contiguous()?.reshape((batch, tokens, features / 3))
    }

    /// The biases from the table, `[1, heads, tokens, tokens]`, by the offset between two tokens of a window.
    fn bias(&self, bus: &Bus, table: &Tensor) -> Result<Tensor> {
        let side = self.side;
        let places = || (0..side * side).map(|place| (place / side, place % side));
        let offsets = places().flat_map(|(row, column)| {
            places().map(move |(to_row, to_column)| {
                let (down, across) = (row + side - 1 - to_row, column + side - 1 - to_column);
                (down * (2 * side - 1) + across) as u32
            })
        });
        let offsets = bus.positions(&offsets.collect::<Vec<_>>(), side.pow(4))?;
        let biases = table.index_select(&offsets, 0)?.reshape((side * side, side * side, table.dim(1)?))?;
        biases.permute((2, 0, 1))?.contiguous()?.unsqueeze(0)
    }

    /// The term added to the scores, `[1, windows, 1, tokens, tokens]`. With it, tokens attend to each other only if
    /// they were neighbours before the shift.
    fn apart(&self, bus: &Bus) -> Result<Tensor> {
        let Self { map: [height, width], side, shift } = *self;
        // Regions of the shifted map: before the last window, in it, and in it but from beyond the border.
        let region = |position: usize, length: usize| match length - position {
            left if left <= shift => 2,
            left if left <= side => 1,
            _ => 0,
        };
        let (down, across, within) = (height / side, width / side, side * side);
        let mut values = Vec::with_capacity(down * across * within * within);
        for window in 0..down * across {
            let of_token = |token: usize| {
                let (row, column) = (window / across * side + token / side, window % across * side + token % side);
                (region(row, height), region(column, width))
            };
            for token in 0..within {
                values.extend((0..within).map(|other| if of_token(token) == of_token(other) { 0.0 } else { APART }));
            }
        }
        bus.floats(&values, &[1, down * across, 1, within, within][..])
    }
}
