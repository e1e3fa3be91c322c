//! CPU kernels on plain slices, batch innermost.
