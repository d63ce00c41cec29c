//! Commands: from the request to the RESULT.

pub mod cgroup;
pub mod child;
pub mod clone;
pub mod command;
pub mod control;
pub mod cstrings;
pub mod env;
pub mod linger;
pub mod output;
pub mod pressure;
pub mod process;
pub mod pty;
pub mod reap;
pub mod spawn;
pub mod spill;
pub mod stdin;
pub mod table;
pub mod timeout;
pub mod users;
