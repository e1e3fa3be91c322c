//! The passes of a convolution, compiled here once for each format. Other crates, tests and examples would otherwise each
//! compile all kernels again, since functions with a type parameter are compiled where they are used.

use half::bf16;

use super::{Convolution, Epilogue, Source};
use crate::{ChannelStatistics, Element, Maps, NormGradient, NormReduction};

/// Maps and their layout.
type Laid<'a, E> = (&'a [E], &'a Maps);
/// The same for writing.
type LaidMut<'a, E> = (&'a mut [E], &'a Maps);
/// What a convolution reads, and its layout.
type Read<'a, E> = (Source<'a, E>, &'a Maps);

macro_rules! passes {
    ($(fn $name:ident = $compiled:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)+) => {
        /// The passes of a convolution on maps of a format.
        pub trait Passes: Sized {
            $(
                #[doc(hidden)]
                fn $name(conv: &Convolution, $($argument: $type),*) $(-> $result)?
                where
                    Self: Element;
            )+
        }

        passes! { @for f32 $(fn $name = $compiled($($argument: $type),*) $(-> $result)?;)+ }
        passes! { @for bf16 $(fn $name = $compiled($($argument: $type),*) $(-> $result)?;)+ }
    };
    (@for $format:ident $(fn $name:ident = $compiled:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)+) => {
        impl Passes for $format {
            $(fn $name(conv: &Convolution, $($argument: $type),*) $(-> $result)? {
                conv.$compiled($($argument),*)
            })+
        }
    };
}

passes! {
    fn forward = forward_in(
        weights: &[f32], x: Read<'_, Self>, y: LaidMut<'_, Self>, epilogue: Epilogue<'_, Self>,
    ) -> Option<Vec<ChannelStatistics>>;
    fn input_gradient = input_gradient_in(
        weights: &[f32], dy: Laid<'_, Self>, dx: LaidMut<'_, Self>, accumulate: bool,
    );
    fn input_gradient_reduced = input_gradient_reduced_in(
        weights: &[f32], dy: Laid<'_, Self>, dx: LaidMut<'_, Self>, reduction: NormReduction<'_, Self>,
    ) -> Vec<(f64, f64)>;
    fn weight_gradient = weight_gradient_in(x: Read<'_, Self>, dy: Laid<'_, Self>, dw: &mut [f32]);
    fn weight_gradient_through = weight_gradient_through_in(
        x: Read<'_, Self>, norm: NormGradient<'_, Self>, dy: LaidMut<'_, Self>, dw: &mut [f32],
    );
    fn add_squared_gradients = add_squared_gradients_in(x: Laid<'_, Self>, dy: Laid<'_, Self>, squares: &mut [f32]);
    fn sample_gradients = sample_gradients_in(
        x: Laid<'_, Self>, dy: Laid<'_, Self>, rows: (&mut [f32], usize),
    );
}
