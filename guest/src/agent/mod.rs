//! The event loop and what it is about: sessions, streams, timers.

pub mod core;
pub mod dispatch;
pub mod events;
pub mod flow;
pub mod run;
pub mod session;
pub mod streams;
pub mod timers;
