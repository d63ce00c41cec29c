//! Frames in, frames out. Nothing here knows what a request means.

pub mod decoder;
pub mod frame;
pub mod outbox;
pub mod port;
pub mod sync;
