//! The frequency of the processor's time stamp counter, measured on the host.
//!
//! An emulated guest sees the host's counter and must know its frequency. The kernel measures it against the emulated
//! timer chip and gives up when the host is busy, and then it has no clock at all; out here the measurement is exact.

use std::arch::x86_64::_rdtsc;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_millis(200);

/// kHz. Each end is read several times and the tightest pair kept: being preempted in between costs nothing.
pub fn khz() -> u64 {
    let (first_ticks, first_at) = sample();
    std::thread::sleep(WINDOW);
    let (last_ticks, last_at) = sample();
    let ticks = u128::from(last_ticks - first_ticks);
    (ticks * 1_000_000 / (last_at - first_at).as_nanos()) as u64
}

fn sample() -> (u64, Instant) {
    let mut best = None;
    for _ in 0..64 {
        // SAFETY: the instruction exists on every x86-64 processor and has no effect but its result.
        let before = unsafe { _rdtsc() };
        let at = Instant::now();
        // SAFETY: as above.
        let after = unsafe { _rdtsc() };
        let width = after.wrapping_sub(before);
        if best.map_or(true, |(narrowest, _, _)| width < narrowest) {
            best = Some((width, before + width / 2, at));
        }
    }
    let (_, ticks, at) = best.expect("at least one sample");
    (ticks, at)
}
