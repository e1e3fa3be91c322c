//! The programs in the README are compiled as tests. They are in a crate of their own, because a package that is
//! published has no files outside of its folder.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
