//! The two clocks: monotonic nanoseconds for deadlines, wall-clock milliseconds for people.

use rustix::time::{clock_gettime, ClockId};

pub const MS: u64 = 1_000_000;

pub fn now() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

pub fn since_boot_ms() -> u64 {
    nanoseconds(ClockId::Boottime) / MS
}

pub fn wall_ms() -> u64 {
    nanoseconds(ClockId::Realtime) / MS
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    (time.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec as u64)
}

/// Milliseconds with one decimal, for results.
pub fn tenths(nanoseconds: u64) -> f64 {
    (nanoseconds / 100_000) as f64 / 10.0
}
