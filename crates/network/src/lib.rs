//! A model as a graph of named layers, and the executors that run it.
