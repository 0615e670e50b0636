//! The kernels, compiled here for f32 and f64: a crate that uses them compiles no loop again (its build is short, the binary has one copy).

use crate::attention::{Slopes, Weights};
use crate::convolution::{depthwise, strip, winograd};
use crate::elementwise::{Axpy, BinaryLoop, UnaryLoop};
use crate::matmul::tile::Tiles;
use crate::norm::{AffineColumns, CentredProducts, NormalizeRows};
use crate::philox::fill::Fill;
use crate::pool;
use crate::recurrent::gru::Gru;
use crate::recurrent::lstm::Lstm;
use crate::recurrent::simple::Simple;
use crate::recurrent::{Step, StepBack};
use crate::reduce::{AllFinite, Extreme, Sum, SumColumns};
use crate::simd::dispatch;
use crate::softmax::{CrossEntropy, CrossEntropyGradient, Gradient, LogSoftmax, Softmax};
use crate::statistics::{Around, Beyond, Moments, Moved, Sides};

macro_rules! compiled {
    ($($method:ident($kernel:ty) $(-> $output:ty)?;)*) => {
        /// One method a kernel; implemented for f32 and f64 without generics, so that code is made once.
        #[allow(private_interfaces, reason = "nobody outside can call these: the kernels' types are ours")]
        #[allow(missing_docs, reason = "see the kernels")]
        pub trait Compiled: Sized {
            $(fn $method(kernel: $kernel) $(-> $output)?;)*
        }
        compiled!(@for f32 $($method($kernel) $(-> $output)?;)*);
        compiled!(@for f64 $($method($kernel) $(-> $output)?;)*);
    };
    (@for $t:ident $($method:ident($kernel:ty) $(-> $output:ty)?;)*) => {
        #[allow(private_interfaces, reason = "as the trait")]
        impl Compiled for $t {
            $(fn $method(kernel: $kernel) $(-> $output)? {
                dispatch::<$t, _>(kernel)
            })*
        }
    };
}

compiled! {
    run_tiles(Tiles<'_, Self>);
    run_strip(strip::Run<'_, Self>);
    run_depthwise(depthwise::Run<'_, Self>);
    run_depthwise_gradient(depthwise::Gradient<'_, Self>);
    run_winograd_spread(winograd::Spread<'_, Self>);
    run_winograd_collect(winograd::Collect<'_, Self>);
    run_winograd_kernel(winograd::KernelPoints<Self>);
    run_winograd_gather(winograd::KernelGradient<Self>);
    run_max_pool(pool::Max<'_, Self>);
    run_max_pool_gradient(pool::MaxGradient<'_, Self>);
    run_unary(UnaryLoop<Self>);
    run_binary(BinaryLoop<Self>);
    run_axpy(Axpy<'_, Self>);
    run_sum(Sum<'_, Self>) -> Self;
    run_extreme(Extreme<'_, Self>) -> Self;
    run_finite(AllFinite<'_, Self>) -> bool;
    run_sum_columns(SumColumns<'_, Self>);
    run_softmax(Softmax<Self>);
    run_log_softmax(LogSoftmax<Self>);
    run_softmax_gradient(Gradient<'_, Self>);
    run_cross_entropy(CrossEntropy<'_, Self>);
    run_cross_entropy_gradient(CrossEntropyGradient<'_, Self>);
    run_centred_products(CentredProducts<'_, Self>);
    run_affine_columns(AffineColumns<'_, Self>);
    run_normalize_rows(NormalizeRows<'_, Self>);
    run_attention_weights(Weights<Self>);
    run_attention_slopes(Slopes<Self>);
    run_moments(Around<'_, Self>) -> Moments;
    run_moved(Moved<'_, Self>) -> (f64, f64);
    run_beyond(Sides<'_, Self>) -> Beyond;
    run_fill(Fill<'_, Self>);
    run_lstm_step(Step<Self, Lstm>);
    run_lstm_step_back(StepBack<Self, Lstm>);
    run_gru_step(Step<Self, Gru<Self>>);
    run_gru_step_back(StepBack<Self, Gru<Self>>);
    run_simple_step(Step<Self, Simple>);
    run_simple_step_back(StepBack<Self, Simple>);
}
