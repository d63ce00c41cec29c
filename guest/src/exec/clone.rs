//! clone3 in the manner of vfork: the child borrows the agent's memory until it execs, so that starting a program
//! copies no page tables and, under emulation, runs little code.
//!
//! The child runs on its own stack while the agent is suspended (CLONE_VFORK). Both share memory, so the child must not
//! allocate, lock or panic; `child::run` is written to that rule.

use super::child::Plan;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use std::arch::asm;

#[cfg(not(target_arch = "x86_64"))]
compile_error!("exec/clone.rs knows the system call convention of x86_64 only");

const CLONE_VM: u64 = 0x100;
const CLONE_VFORK: u64 = 0x4000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const STACK_BYTES: usize = 65_536;

/// `struct clone_args` of linux/sched.h, as of CLONE_ARGS_SIZE_VER2.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// The one stack of all children: the agent is suspended while a child uses it, so there is never a second user.
pub struct Stack(Box<[u8]>);

impl Stack {
    pub fn new() -> Stack {
        Stack(vec![0; STACK_BYTES].into_boxed_slice())
    }
}

/// Starts `plan` in a new process, directly in `cgroup` if given. Returns once the child has exec'ed or exited;
/// `plan` then says whether that failed.
pub fn vfork(stack: &mut Stack, plan: &mut Plan, cgroup: Option<BorrowedFd<'_>>) -> Result<u32, Errno> {
    let base = stack.0.as_mut_ptr() as u64;
    let top = (base + STACK_BYTES as u64) & !15;
    let mut args = CloneArgs {
        flags: CLONE_VM | CLONE_VFORK,
        exit_signal: libc::SIGCHLD as u64,
        stack: base,
        stack_size: top - base,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    let result: i64;
    // SAFETY: the parent's registers and stack are untouched, since the child starts on `stack` and never returns from
    // `enter`. The block is not marked `nomem`, so the compiler expects `plan` to have changed.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") &args as *const CloneArgs,
            in("rsi") std::mem::size_of::<CloneArgs>(),
            in("r12") plan as *mut Plan,
            in("r13") enter as extern "C" fn(*mut Plan) -> !,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if result < 0 {
        return Err(Errno::from_raw_os_error(-result as i32));
    }
    Ok(result as u32)
}

extern "C" fn enter(plan: *mut Plan) -> ! {
    // SAFETY: `plan` is the agent's, which is suspended; the reference is gone before the agent resumes.
    unsafe {
        super::child::run(&mut *plan);
        libc::_exit(127)
    }
}
