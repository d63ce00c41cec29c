//! Leads connections to 198.18.0.0/15, and to addresses that rules name, to one listener, whatever their port.
//!
//! A program of the kind SK_LOOKUP chooses the socket before the kernel looks at ports. So no port is taken: a server
//! of the guest's own binds 443 on all addresses and both work. Nothing else in the kernel is needed for it.

use rustix::fd::{AsRawFd, FromRawFd, OwnedFd};
use rustix::io::{self, Errno};
use std::net::Ipv4Addr;

const MAP_CREATE: libc::c_long = 0;
const MAP_UPDATE_ELEM: libc::c_long = 2;
const PROG_LOAD: libc::c_long = 5;
const LINK_CREATE: libc::c_long = 28;
const MAP_TYPE_SOCKMAP: u32 = 15;
const PROG_TYPE_SK_LOOKUP: u32 = 30;
const ATTACH_SK_LOOKUP: u32 = 36;

const HELPER_MAP_LOOKUP: i32 = 1;
const HELPER_SK_RELEASE: i32 = 86;
const HELPER_SK_ASSIGN: i32 = 124;

/// Offsets in the program's context.
const FAMILY: i16 = 8;
const PROTOCOL: i16 = 12;
const LOCAL_IP4: i16 = 40;

/// Detached when dropped.
pub struct Steering {
    _link: OwnedFd,
}

impl Steering {
    pub fn attach(listener: &OwnedFd, literals: &[Ipv4Addr]) -> io::Result<Steering> {
        let map = sockmap(listener)?;
        let program = load(&program(map.as_raw_fd(), literals))?;
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        let network = rustix::fs::open("/proc/self/ns/net", flags, rustix::fs::Mode::empty())?;
        let mut attr = Attr::default();
        attr.u32(0, program.as_raw_fd() as u32);
        attr.u32(4, network.as_raw_fd() as u32);
        attr.u32(8, ATTACH_SK_LOOKUP);
        let link = bpf(LINK_CREATE, &attr)?;
        Ok(Steering { _link: link })
    }
}

/// The kernel's `union bpf_attr`, as far as it is used here.
#[derive(Default)]
#[repr(C, align(8))]
struct Attr([u64; 9]);

impl Attr {
    fn u32(&mut self, offset: usize, value: u32) {
        let word = &mut self.0[offset / 8];
        let shift = (offset % 8) * 8;
        *word |= u64::from(value) << shift;
    }

    fn u64(&mut self, offset: usize, value: u64) {
        self.0[offset / 8] = value;
    }
}

fn call(command: libc::c_long, attr: &Attr) -> io::Result<i32> {
    let size = std::mem::size_of::<Attr>();
    // SAFETY: the kernel reads `size` bytes of the attribute and what its pointers name, all of which outlive the call.
    unsafe {
        match libc::syscall(libc::SYS_bpf, command, attr as *const Attr, size) {
            result if result >= 0 => Ok(result as i32),
            _ => Err(Errno::from_raw_os_error(*libc::__errno_location())),
        }
    }
}

/// For commands that answer with a descriptor; the kernel makes it close-on-exec.
fn bpf(command: libc::c_long, attr: &Attr) -> io::Result<OwnedFd> {
    let fd = call(command, attr)?;
    // SAFETY: the descriptor is new and has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A map with the listener as its only entry: how a program refers to a socket.
fn sockmap(listener: &OwnedFd) -> io::Result<OwnedFd> {
    let mut attr = Attr::default();
    attr.u32(0, MAP_TYPE_SOCKMAP);
    attr.u32(4, 4);
    attr.u32(8, 4);
    attr.u32(12, 1);
    let map = bpf(MAP_CREATE, &attr)?;
    let (key, value) = (0u32, listener.as_raw_fd() as u32);
    let mut attr = Attr::default();
    attr.u32(0, map.as_raw_fd() as u32);
    attr.u64(8, &key as *const u32 as u64);
    attr.u64(16, &value as *const u32 as u64);
    call(MAP_UPDATE_ELEM, &attr)?;
    Ok(map)
}

fn load(code: &[u64]) -> io::Result<OwnedFd> {
    let license = b"Apache-2.0\0";
    let mut attr = Attr::default();
    attr.u32(0, PROG_TYPE_SK_LOOKUP);
    attr.u32(4, code.len() as u32);
    attr.u64(8, code.as_ptr() as u64);
    attr.u64(16, license.as_ptr() as u64);
    attr.u32(68, ATTACH_SK_LOOKUP);
    bpf(PROG_LOAD, &attr)
}

/// One instruction: opcode, registers, offset, immediate.
fn op(code: u8, dst: u8, src: u8, offset: i16, imm: i32) -> u64 {
    u64::from(code) | u64::from(dst | src << 4) << 8 | u64::from(offset as u16) << 16 | u64::from(imm as u32) << 32
}

const LDX_W: u8 = 0x61;
const ST_W: u8 = 0x62;
const LD_IMM64: u8 = 0x18;
const MOV: u8 = 0xb7;
const MOV_REG: u8 = 0xbf;
const ADD: u8 = 0x07;
const AND32: u8 = 0x54;
const JA: u8 = 0x05;
const JEQ32: u8 = 0x16;
const JNE32: u8 = 0x56;
const JEQ: u8 = 0x15;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const PSEUDO_MAP_FD: u8 = 1;
const PASS: i32 = 1;

/// An address as the context holds it: network order, read as one number.
fn wire(address: Ipv4Addr) -> i32 {
    i32::from_ne_bytes(address.octets())
}

/// "TCP over IPv4 to one of these addresses goes to the socket of the map; all else as ever."
fn program(map: i32, literals: &[Ipv4Addr]) -> Vec<u64> {
    let assign = [
        op(ST_W, 10, 0, -4, 0),
        op(MOV_REG, 2, 10, 0, 0),
        op(ADD, 2, 0, 0, -4),
        op(LD_IMM64, 1, PSEUDO_MAP_FD, 0, map),
        op(0, 0, 0, 0, 0),
        op(CALL, 0, 0, 0, HELPER_MAP_LOOKUP),
        op(JEQ, 0, 0, 7, 0),
        op(MOV_REG, 7, 0, 0, 0),
        op(MOV_REG, 1, 6, 0, 0),
        op(MOV_REG, 2, 7, 0, 0),
        op(MOV, 3, 0, 0, 0),
        op(CALL, 0, 0, 0, HELPER_SK_ASSIGN),
        op(MOV_REG, 1, 7, 0, 0),
        op(CALL, 0, 0, 0, HELPER_SK_RELEASE),
    ];
    // A lookup that found nothing leaves no reference to give back: it jumps past the release, to the end.
    let end = [op(MOV, 0, 0, 0, PASS), op(EXIT, 0, 0, 0, 0)];
    let given = wire(Ipv4Addr::new(198, 18, 0, 0));
    let mask = wire(Ipv4Addr::new(255, 254, 0, 0));
    let count = literals.len();
    // From the instruction after a jump: over the comparisons that are left and the jump out, to `assign`.
    let to_assign = |left: usize| (left + 1) as i16;
    let mut code = vec![
        op(MOV_REG, 6, 1, 0, 0),
        op(LDX_W, 2, 6, FAMILY, 0),
        op(JNE32, 2, 0, (count + 7 + assign.len()) as i16, libc::AF_INET),
        op(LDX_W, 2, 6, PROTOCOL, 0),
        op(JNE32, 2, 0, (count + 5 + assign.len()) as i16, libc::IPPROTO_TCP),
        op(LDX_W, 2, 6, LOCAL_IP4, 0),
        op(MOV_REG, 3, 2, 0, 0),
        op(AND32, 3, 0, 0, mask),
        op(JEQ32, 3, 0, to_assign(count), given),
    ];
    for (index, address) in literals.iter().enumerate() {
        code.push(op(JEQ32, 2, 0, to_assign(count - index - 1), wire(*address)));
    }
    code.push(op(JA, 0, 0, assign.len() as i16, 0));
    code.extend_from_slice(&assign);
    code.extend_from_slice(&end);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where each jump leads, by its index.
    fn targets(code: &[u64]) -> Vec<(usize, usize)> {
        let jump = |word: u64| matches!(word as u8, JA | JEQ | JEQ32 | JNE32);
        let indexed = code.iter().enumerate().filter(|(_, word)| jump(**word));
        indexed
            .map(|(at, word)| (at, (at as i64 + 1 + i64::from((word >> 16) as i16)) as usize))
            .collect()
    }

    #[test]
    fn every_jump_leads_to_the_assignment_or_to_the_end() {
        for count in [0, 1, 1_000] {
            let literals: Vec<Ipv4Addr> = (0..count).map(|n| Ipv4Addr::from(0x0a00_0000 + n)).collect();
            let code = program(3, &literals);
            let end = code.len() - 2;
            let assign = end - 14;
            for (at, target) in targets(&code) {
                let compares_address = code[at] as u8 == JEQ32;
                assert_eq!(
                    target,
                    if compares_address { assign } else { end },
                    "{} of {}",
                    at,
                    count
                );
            }
        }
    }
}
