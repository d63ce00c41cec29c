//! Frames in, frames out. Nothing here knows what a request means.

pub mod decoder;
pub mod frame;
#[cfg(test)]
mod golden_tests;
pub mod outbox;
pub mod port;
pub mod sync;
