//! Layers of transformers, on tokens: `[tokens, features]` per sample.
//!
//! A map `[channels, height, width]` becomes `height · width` tokens of `channels` features, row by row. What a token is, only
//! these layers ask; a head reads one vector of features again.

use crate::{GraphBuilder, NodeId, Op, ParameterId, ParameterKind};

/// What a layer of a transformer computes from its input.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenOp {
    /// Pixels become tokens: `[channels, height, width]` → `[height · width, channels]`.
    FromMap,
    /// A learnt token comes before the others: `[tokens, features]` → `[tokens + 1, features]`.
    ClassToken {
        /// The token, `[1, 1, features]`.
        token: ParameterId,
    },
    /// Adds a learnt value to each token by its position.
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
        /// What is added to a variance (ε).
        epsilon: f64,
    },
    /// A fully connected layer on every token, `[in]` → `[out]`.
    Linear {
        /// Weight `[out, in]`.
        weight: ParameterId,
        /// Bias `[out]`, if there is one.
        bias: Option<ParameterId>,
    },
    /// x Φ(x), with the normal distribution's Φ itself rather than an approximation (arXiv 1606.08415).
    Gelu,
    /// Scaled dot-product attention among all tokens (arXiv 1706.03762, section 3.2): `[tokens, 3 · features]`, in which queries,
    /// keys and values of all heads follow one another, → `[tokens, features]`.
    Attention {
        /// Parts of the features that attend each for itself.
        heads: usize,
    },
    /// The same among the tokens of each square window of a map of them, with a learnt bias for each offset within a window
    /// (arXiv 2103.14030, section 3.2).
    WindowAttention {
        /// Rows and columns of the map, multiples of the window.
        map: [usize; 2],
        /// Side of a window.
        window: usize,
        /// By how many rows and columns windows are shifted; what they then join across the map's border does not attend.
        shift: usize,
        /// Parts of the features that attend each for itself.
        heads: usize,
        /// Biases `[(2 · window − 1)², heads]`, by row and column offset.
        table: ParameterId,
    },
    /// The tokens of each square of a map become one: `[height · width, features]` → `[…, side² · features]`, columns of the
    /// square outermost.
    Merge {
        /// Rows and columns of the map, multiples of the square.
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
    /// Parameters that the layer owns.
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

/// Layers of transformers. Their names are those of timm.
impl GraphBuilder {
    /// Pixels as tokens.
    pub fn tokens(&mut self, name: &str, input: NodeId) -> NodeId {
        let [channels, height, width] = self.map_shape(input);
        self.node(name, Op::Token(TokenOp::FromMap), vec![input], vec![height * width, channels])
    }

    /// A learnt token before the others: parameter `name`.
    pub fn class_token(&mut self, name: &str, input: NodeId) -> NodeId {
        let [tokens, features] = self.token_shape(input);
        let token = self.parameter(name.into(), vec![1, 1, features], ParameterKind::Embedding);
        self.node(name, Op::Token(TokenOp::ClassToken { token }), vec![input], vec![tokens + 1, features])
    }

    /// Learnt positions: parameter `name`.
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

    /// Attention among all tokens, from their queries, keys and values.
    ///
    /// # Panics
    /// Where the heads do not divide the features: an architecture that was written wrongly.
    pub fn attention(&mut self, name: &str, input: NodeId, heads: usize) -> NodeId {
        let shape = self.attended(name, input, heads);
        self.node(name, Op::Token(TokenOp::Attention { heads }), vec![input], shape)
    }

    /// Attention within the windows of a map of tokens: parameter `{name}.relative_position_bias_table`.
    ///
    /// # Panics
    /// Where the map is not the tokens', windows do not tile it, or the heads do not divide the features: an architecture that
    /// was written wrongly.
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

    /// One token of each square of `side · side`.
    ///
    /// # Panics
    /// Where the map is not the tokens', or squares do not tile it: an architecture that was written wrongly.
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
        assert!(divides, "`{name}`: queries, keys and values of {heads} heads do not divide {features} features");
        vec![tokens, features / 3]
    }

    fn assert_tiles(&self, name: &str, input: NodeId, [height, width]: [usize; 2], side: usize) {
        let tokens = self.token_shape(input)[0];
        assert_eq!(height * width, tokens, "`{name}`: a map of {height}×{width} is not {tokens} tokens");
        let tiles = side > 0 && height.is_multiple_of(side) && width.is_multiple_of(side);
        assert!(tiles, "`{name}`: squares of side {side} do not tile a map of {height}×{width}");
    }
}
