//! The file API. Every path is resolved by the kernel inside the sandbox's root, never checked first and used later.

pub mod change;
pub mod entry;
pub mod list;
pub mod path;
pub mod read;
pub mod remove;
pub mod resolve;
pub mod stat;
pub mod watch;
pub mod write;
