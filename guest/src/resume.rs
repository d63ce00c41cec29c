//! RESUME: what makes one clone of a template different from the next.

use crate::agent::core::Core;
use crate::base64;
use crate::egress;
use crate::error::{OpError, OpResult};
use crate::files::resolve::Root;
use crate::request::{self, Resume};
use crate::trust;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io;
use rustix::time::{clock_settime, ClockId, Timespec};
use std::os::raw::c_ulong;

const RNDADDENTROPY: c_ulong = 0x4008_5203;
const RNDRESEEDCRNG: c_ulong = 0x5207;
const SEED_BYTES: usize = 64;

pub fn resume(core: &mut Core, json: &[u8]) -> OpResult<()> {
    let request: Resume = request::parse(json)?;
    let seed = base64::decode(&request.entropy)
        .filter(|seed| seed.len() == SEED_BYTES)
        .ok_or_else(|| OpError::invalid("entropy is not 64 bytes of base64"))?;
    let time: i64 = request.time_ns.parse().map_err(|_| OpError::invalid("bad time_ns"))?;
    check_names(&request)?;
    if core.is_init {
        set_time(time);
        reseed(&seed);
    }
    if request.adopted {
        return Ok(());
    }
    core.base_env = request.env.0;
    // A snapshot is taken frozen; the machine that grows from it is not to stay so.
    let _ = core.freezer.thaw();
    egress::reset(core);
    if core.is_init {
        rename_machine(&core.root, &request.hostname, &request.machine_id);
        if let Some(authority) = &request.authority {
            trust::install(&core.root, authority);
        }
    }
    Ok(())
}

fn check_names(request: &Resume) -> OpResult<()> {
    let name = request.hostname.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'.';
    if name.is_empty() || name.len() > 63 || !name.iter().all(plain) {
        return Err(OpError::invalid("bad hostname"));
    }
    let id = request.machine_id.as_bytes();
    if id.len() != 32 || !id.iter().all(u8::is_ascii_hexdigit) {
        return Err(OpError::invalid("bad machine_id"));
    }
    Ok(())
}

fn set_time(time_ns: i64) {
    let time = Timespec {
        tv_sec: time_ns.div_euclid(1_000_000_000),
        tv_nsec: time_ns.rem_euclid(1_000_000_000),
    };
    if clock_settime(ClockId::Realtime, time).is_err() {
        crate::log!("the clock cannot be set");
    }
}

#[repr(C)]
struct Pool {
    entropy_bits: i32,
    bytes: i32,
    seed: [u8; SEED_BYTES],
}

/// Until this, every clone of a template would draw the same random numbers.
fn reseed(seed: &[u8]) {
    let mut pool = Pool {
        entropy_bits: SEED_BYTES as i32 * 8,
        bytes: SEED_BYTES as i32,
        seed: [0; SEED_BYTES],
    };
    pool.seed.copy_from_slice(seed);
    let device = rustix::fs::open("/dev/urandom", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    let done = device.map(|device| {
        // SAFETY: the kernel reads `bytes` bytes behind the two counts; the second request has no argument.
        unsafe {
            libc::ioctl(device.as_raw_fd(), RNDADDENTROPY, &pool) == 0
                && libc::ioctl(device.as_raw_fd(), RNDRESEEDCRNG, 0) == 0
        }
    });
    if done != Ok(true) {
        crate::log!("the random generator cannot be reseeded");
    }
}

/// Written in place: the files keep their inodes, and nothing is allocated when the lengths are the same.
pub fn rename_machine(root: &Root, hostname: &str, machine_id: &str) {
    let _ = rustix::system::sethostname(hostname.as_bytes());
    let name = format!("{}\n", hostname);
    let id = format!("{}\n", machine_id);
    let written = [
        rewrite(root, "/etc/hostname", |_| name.into_bytes()),
        rewrite(root, "/etc/machine-id", |_| id.into_bytes()),
        rewrite(root, "/etc/hosts", |old| hosts(old, hostname)),
    ];
    if written.iter().any(Result::is_err) {
        crate::log!("not all of hostname, machine-id and hosts can be written");
    }
}

pub fn rewrite<F>(root: &Root, path: &str, content: F) -> io::Result<()>
where
    F: FnOnce(&str) -> Vec<u8>,
{
    let (file, stat) = root.open_own(path)?;
    let mut old = vec![0; (stat.st_size as usize).min(65_536)];
    let length = io::pread(&file, &mut old, 0)?;
    let new = content(&String::from_utf8_lossy(&old[..length]));
    if new != old[..length] {
        write_at(&file, 0, &new)?;
        if new.len() as i64 != stat.st_size {
            rustix::fs::ftruncate(&file, new.len() as u64)?;
        }
    }
    Ok(())
}

pub fn write_at(file: &OwnedFd, from: u64, bytes: &[u8]) -> io::Result<()> {
    let mut at = 0;
    while at < bytes.len() {
        at += io::pwrite(file, &bytes[at..], from + at as u64)?;
    }
    Ok(())
}

/// The guest's own lines stay; only the machine's name is replaced.
fn hosts(old: &str, hostname: &str) -> Vec<u8> {
    let mut text = String::new();
    if !old.lines().any(|line| line.starts_with("127.0.0.1")) {
        text.push_str("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n");
    }
    for line in old.lines().filter(|line| !line.starts_with("127.0.1.1")) {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("127.0.1.1 ");
    text.push_str(hostname);
    text.push('\n');
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_keeps_the_guests_lines() {
        let first = String::from_utf8(hosts("", "a")).unwrap();
        assert!(first.ends_with("127.0.1.1 a\n") && first.starts_with("127.0.0.1 localhost\n"));
        let edited = format!("{}10.0.0.1 db\n", first);
        let second = String::from_utf8(hosts(&edited, "b")).unwrap();
        assert!(second.contains("10.0.0.1 db\n") && second.contains("127.0.1.1 b\n"));
        assert!(!second.contains("127.0.1.1 a"));
    }
}
