//! Starts a program: descriptors, plan, clone. This is the path whose latency users feel; it makes few system calls.

use super::cgroup::{Cgroup, Cgroups};
use super::child::{Plan, Stage};
use super::clone::{vfork, Stack};
use super::cstrings::CStrings;
use super::pty;
use super::users::User;
use crate::request::{Size, StdinMode};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::{self, Errno};
use rustix::pipe::{pipe_with, PipeFlags};

pub struct Launch<'a> {
    pub candidates: CStrings,
    pub argv: CStrings,
    pub envp: CStrings,
    pub cwd: CStrings,
    pub user: &'a User,
    pub stdin: StdinMode,
    pub pty: Option<&'a Size>,
}

pub struct Started {
    pub pid: u32,
    pub stdin: Option<OwnedFd>,
    pub stdout: OwnedFd,
    pub stderr: Option<OwnedFd>,
    pub cgroup: Option<Cgroup>,
}

pub struct Failure {
    pub stage: Stage,
    pub errno: Errno,
}

/// What every launch shares.
pub struct Spawner {
    pub stack: Stack,
    pub null: OwnedFd,
    pub realtime: bool,
    /// Whether clone3 can place a child into a cgroup; learnt from its first refusal.
    pub clone_into: bool,
}

/// The agent's ends and the child's; the child's close when `start` returns.
struct Wiring {
    ours: (Option<OwnedFd>, OwnedFd, Option<OwnedFd>),
    theirs: Vec<OwnedFd>,
    stdio: [i32; 3],
}

impl Spawner {
    pub fn start(&mut self, cgroups: &mut Cgroups, mut launch: Launch) -> Result<Started, Failure> {
        let wiring = self.wire(&launch).map_err(setup)?;
        let mut plan = Plan {
            candidates: launch.candidates.array(),
            argv: launch.argv.array(),
            envp: launch.envp.array(),
            // SAFETY: the array holds at least the one string that `cwd` is.
            cwd: unsafe { *launch.cwd.array() },
            uid: launch.user.uid,
            gid: launch.user.gid,
            groups: launch.user.groups.as_ptr(),
            group_count: launch.user.groups.len(),
            stdio: wiring.stdio,
            terminal: launch.pty.is_some(),
            cgroup_procs: -1,
            realtime: self.realtime,
            errno: 0,
            stage: Stage::Setup,
        };
        let cgroup = cgroups.take();
        let outcome = self.clone(&mut plan, cgroup.as_ref());
        match outcome {
            Ok(pid) if plan.errno == 0 => {
                if self.realtime {
                    crate::sched::make_ordinary(pid);
                }
                let Wiring { ours, theirs, .. } = wiring;
                drop(theirs);
                let (stdin, stdout, stderr) = ours;
                Ok(Started {
                    pid,
                    stdin,
                    stdout,
                    stderr,
                    cgroup,
                })
            }
            failed => {
                cgroup.into_iter().for_each(|cgroup| cgroups.give_back(cgroup));
                let errno = failed.err();
                Err(Failure {
                    stage: plan.stage,
                    errno: errno.unwrap_or_else(|| Errno::from_raw_os_error(plan.errno)),
                })
            }
        }
    }

    fn clone(&mut self, plan: &mut Plan, cgroup: Option<&Cgroup>) -> io::Result<u32> {
        let cgroup = match cgroup {
            Some(cgroup) => cgroup,
            None => return vfork(&mut self.stack, plan, None),
        };
        if self.clone_into {
            match vfork(&mut self.stack, plan, Some(cgroup.fd())) {
                // Older kernels and foreign cgroup layouts; the child then joins by writing its number.
                Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::BADF) => self.clone_into = false,
                other => return other,
            }
        }
        let procs = cgroup.open_procs()?;
        plan.cgroup_procs = procs.as_raw_fd();
        vfork(&mut self.stack, plan, None)
    }

    fn wire(&self, launch: &Launch) -> io::Result<Wiring> {
        if let Some(size) = launch.pty {
            let pty::Pty { master, slave } = pty::open(size, launch.user.uid)?;
            let input = io::fcntl_dupfd_cloexec(&master, 3)?;
            return Ok(Wiring {
                ours: (Some(input), master, None),
                stdio: [slave.as_raw_fd(); 3],
                theirs: vec![slave],
            });
        }
        let (stdout, out) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, err) = pipe_with(PipeFlags::CLOEXEC)?;
        // Only the agent's ends: a program does not expect a non-blocking stdout.
        rustix::fs::fcntl_setfl(&stdout, OFlags::NONBLOCK)?;
        rustix::fs::fcntl_setfl(&stderr, OFlags::NONBLOCK)?;
        let mut stdio = [self.null.as_raw_fd(), out.as_raw_fd(), err.as_raw_fd()];
        let mut theirs = vec![out, err];
        let mut stdin = None;
        if launch.stdin == StdinMode::Pipe {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
            rustix::fs::fcntl_setfl(&write, OFlags::NONBLOCK)?;
            stdio[0] = read.as_raw_fd();
            theirs.push(read);
            stdin = Some(write);
        }
        debug_assert!(theirs.iter().all(is_beyond_stdio));
        Ok(Wiring {
            ours: (stdin, stdout, Some(stderr)),
            theirs,
            stdio,
        })
    }
}

fn is_beyond_stdio(fd: &OwnedFd) -> bool {
    fd.as_raw_fd() > 2
}

fn setup(errno: Errno) -> Failure {
    Failure {
        stage: Stage::Setup,
        errno,
    }
}
