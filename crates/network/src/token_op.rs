//! Layers of transformers, on tokens: `[tokens, features]` per sample.
//!
//! A map `[channels, height, width]` becomes `height · width` tokens with `channels` features, row by row. Only the
//! layers of this module work on tokens; a classifier reads one feature vector again.

use crate::{GraphBuilder, NodeId, Op, ParameterId, ParameterKind};

/// The operation of a transformer layer.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenOp {
    /// Pixels become tokens: `[channels, height, width]` → `[height · width, channels]`.
    FromMap,
    /// Puts a learnt token before the others: `[tokens, features]` → `[tokens + 1, features]`.
    ClassToken {
        /// The token, `[1, 1, features]`.
        token: ParameterId,
    },
    /// Adds a learnt value to each token, by its position.
    Position {
        /// The values, `[1, tokens, features]`.
        embedding: ParameterId,
    },
    /// Layer normalisation over the features of a token (arXiv 1607.06450).
    LayerNorm {
        /// Scale γ `[features]`.
        weight: ParameterId,
        /// Shift β `[features]`.
        bias: ParameterId,
        /// Constant added to a variance (ε).
        epsilon: f64,
    },
    /// A fully connected layer on every token, `[in]` → `[out]`.
    Linear {
        /// Weight `[out, in]`.
        weight: ParameterId,
        /// Bias `[out]`, if there is one.
        bias: Option<ParameterId>,
    },
    /// x Φ(x), with the exact normal distribution function Φ and not an approximation (arXiv 1606.08415).
    Gelu,
    /// Scaled dot-product attention among all tokens (arXiv 1706.03762, section 3.2): `[tokens, 3 · features]` →
    /// `[tokens, features]`. The input holds the queries of all heads, then the keys, then the values.
    Attention {
        /// Number of attention heads. Each attends with its own part of the features.
        heads: usize,
    },
    /// Attention among the tokens of each square window of a map, with a learnt bias for each offset within a window
    /// (arXiv 2103.14030, section 3.2).
    WindowAttention {
        /// Rows and columns of the map. Both are multiples of the window.
        map: [usize; 2],
        /// Side of a window.
        window: usize,
        /// Number of rows and columns by which windows are shifted. Tokens that the shift joins across the map's
        /// border do not attend to each other.
        shift: usize,
        /// Number of attention heads. Each attends with its own part of the features.
        heads: usize,
        /// Biases `[(2 · window − 1)², heads]`, by row and column offset.
        table: ParameterId,
    },
    /// Merges the tokens of each square of a map into one: `[height · width, features]` → `[…, side² · features]`,
    /// with the columns of the square outermost.
    Merge {
        /// Rows and columns of the map. Both are multiples of the square's side.
        map: [usize; 2],
        /// Side of a square.
        side: usize,
    },
    /// The first token's features.
    First,
    /// Mean of each feature over the tokens.
    Mean,
}

impl TokenOp {
    /// Parameters of the layer.
    pub fn parameters(&self) -> Vec<ParameterId> {
        match *self {
            Self::ClassToken { token: parameter }
            | Self::Position { embedding: parameter }
            | Self::WindowAttention { table: parameter, .. } => vec![parameter],
            Self::LayerNorm { weight, bias, .. } => vec![weight, bias],
            Self::Linear { weight, bias } => [weight].into_iter().chain(bias).collect(),
            Self::FromMap | Self::Gelu | Self::Attention { .. } | Self::Merge { .. } | Self::First | Self::Mean => {
                vec![]
            }
        }
    }
}

/// Layers of transformers. Their names follow timm.
impl GraphBuilder {
    /// Turns pixels into tokens.
    pub fn tokens(&mut self, name: &str, input: NodeId) -> NodeId {
        let [channels, height, width] = self.map_shape(input);
        self.node(name, Op::Token(TokenOp::FromMap), vec![input], vec![height * width, channels])
    }

    /// Puts a learnt token before the others. Its parameter is `name`.
    pub fn class_token(&mut self, name: &str, input: NodeId) -> NodeId {
        let [tokens, features] = self.token_shape(input);
        let token = self.parameter(name.into(), vec![1, 1, features], ParameterKind::Embedding);
        self.node(name, Op::Token(TokenOp::ClassToken { token }), vec![input], vec![tokens + 1, features])
    }

    /// Adds learnt positions. Their parameter is `name`.
    pub fn position(&mut self, name: &str, input: NodeId) -> NodeId {
        let [tokens, features] = self.token_shape(input);
        let embedding = self.parameter(name.into(), vec![1, tokens, features], ParameterKind::Embedding);
        self.node(name, Op::Token(TokenOp::Position { embedding }), vec![input], vec![tokens, features])
    }

    /// Layer normalisation: `{name}.weight`, `{name}.bias`.
    pub fn layer_norm(&mut self, name: &str, input: NodeId, epsilon: f64) -> NodeId {
        let [tokens, features] = self.token_shape(input);
        let weight = self.parameter(format!("{name}.weight"), vec![features], ParameterKind::NormWeight);
        let bias = self.parameter(format!("{name}.bias"), vec![features], ParameterKind::NormBias);
        let op = TokenOp::LayerNorm { weight, bias, epsilon };
        self.node(name, Op::Token(op), vec![input], vec![tokens, features])
    }

    /// A fully connected layer on every token: `{name}.weight`, and `{name}.bias` if it has one.
    pub fn token_linear(&mut self, name: &str, input: NodeId, out_features: usize, has_bias: bool) -> NodeId {
        let [tokens, features] = self.token_shape(input);
        let shape = vec![out_features, features];
        let weight = self.parameter(format!("{name}.weight"), shape, ParameterKind::TokenWeight);
        let bias =
            has_bias.then(|| self.parameter(format!("{name}.bias"), vec![out_features], ParameterKind::TokenBias));
        self.node(name, Op::Token(TokenOp::Linear { weight, bias }), vec![input], vec![tokens, out_features])
    }

    /// GELU.
    pub fn gelu(&mut self, name: &str, input: NodeId) -> NodeId {
        let shape = self.shape(input).to_vec();
        self.node(name, Op::Token(TokenOp::Gelu), vec![input], shape)
    }

    /// Attention among all tokens, given their queries, keys and values.
    ///
    /// # Panics
    /// If the heads do not divide the features, which is a mistake in the architecture.
    pub fn attention(&mut self, name: &str, input: NodeId, heads: usize) -> NodeId {
        let shape = self.attended(name, input, heads);
        self.node(name, Op::Token(TokenOp::Attention { heads }), vec![input], shape)
    }

    /// Attention within the windows of a map of tokens. The parameter is `{name}.relative_position_bias_table`.
    ///
    /// # Panics
    /// If the map does not match the tokens, windows do not tile the map, or the heads do not divide the features.
    /// All are mistakes in the architecture.
    pub fn window_attention(
        &mut self,
        name: &str,
        input: NodeId,
        map: [usize; 2],
        (window, shift): (usize, usize),
        heads: usize,
    ) -> NodeId {
        let shape = self.attended(name, input, heads);
        self.assert_tiles(name, input, map, window);
        assert!(shift < window, "`{name}`: a shift of {shift} is not smaller than the window of side {window}");
        let offsets = (2 * window - 1) * (2 * window - 1);
        let table = format!("{name}.relative_position_bias_table");
        let table = self.parameter(table, vec![offsets, heads], ParameterKind::Embedding);
        let op = TokenOp::WindowAttention { map, window, shift, heads, table };
        self.node(name, Op::Token(op), vec![input], shape)
    }

    /// Merges the tokens of each square of `side · side`.
    ///
    /// # Panics
    /// If the map does not match the tokens, or squares do not tile it. Both are mistakes in the architecture.
    pub fn merge_tokens(&mut self, name: &str, input: NodeId, map: [usize; 2], side: usize) -> NodeId {
        let [tokens, features] = self.token_shape(input);
        self.assert_tiles(name, input, map, side);
        let square = side * side;
        let shape = vec![tokens / square, features * square];
        self.node(name, Op::Token(TokenOp::Merge { map, side }), vec![input], shape)
    }

    /// The first token.
    pub fn first_token(&mut self, name: &str, input: NodeId) -> NodeId {
        let [_, features] = self.token_shape(input);
        self.node(name, Op::Token(TokenOp::First), vec![input], vec![features])
    }

    /// The mean of all tokens.
    pub fn mean_token(&mut self, name: &str, input: NodeId) -> NodeId {
        let [_, features] = self.token_shape(input);
        self.node(name, Op::Token(TokenOp::Mean), vec![input], vec![features])
    }

    fn token_shape(&self, node: NodeId) -> [usize; 2] {
        let shape = self.shape(node);
        [shape[0], shape[1]]
    }

    fn attended(&self, name: &str, input: NodeId, heads: usize) -> Vec<usize> {
        let [tokens, features] = self.token_shape(input);
        let divides = heads > 0 && features.is_multiple_of(3 * heads);
        assert!(divides, "`{name}`: {features} features do not divide into queries, keys and values of {heads} heads");
        vec![tokens, features / 3]
    }

    fn assert_tiles(&self, name: &str, input: NodeId, [height, width]: [usize; 2], side: usize) {
        let tokens = self.token_shape(input)[0];
        assert_eq!(height * width, tokens, "`{name}`: a map of {height}×{width} is not {tokens} tokens");
        let tiles = side > 0 && height.is_multiple_of(side) && width.is_multiple_of(side);
        assert!(tiles, "`{name}`: squares of side {side} do not tile a map of {height}×{width}");
    }
}
