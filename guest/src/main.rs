//! mvm-agent: PID 1 of every guest, and the guest's end of the channel (docs/channel.md).

mod agent;
mod base64;
mod boot;
mod channel;
mod clock;
mod egress;
mod error;
mod exec;
mod files;
mod freeze;
mod limits;
mod log;
mod memory;
mod metrics;
mod pending;
mod poll;
mod request;
mod resume;
mod sched;
mod serve;
mod shares;
mod signals;
mod trust;
mod tsc;
mod tunnel;

use agent::core::Core;
use agent::run::{Agent, Exit};
use exec::cgroup::Cgroups;
use exec::clone::Stack;
use exec::spawn::Spawner;
use files::resolve::Root;
use freeze::Freezer;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use signals::Signals;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("--tsc-khz") {
        println!("{}", tsc::khz());
        return;
    }
    match serve::arguments() {
        Some(options) => serve::serve(options),
        None => init(),
    }
}

fn init() {
    if std::process::id() != 1 {
        eprintln!("mvm-agent runs as PID 1 of a guest");
        std::process::exit(2);
    }
    std::panic::set_hook(Box::new(|info| {
        // Where, not what: a message could hold what a command was given.
        match info.location() {
            Some(place) => crate::log!("panic at {}:{}", place.file(), place.line()),
            None => crate::log!("panic"),
        }
        power_off();
    }));
    let booted = boot::boot();
    let parts = Parts {
        root: Root::open("").expect("open the root"),
        cgroup: booted.cgroup,
        disk: booted.disk,
        is_init: true,
    };
    resume::rename_machine(&parts.root, "sandbox", "00000000000000000000000000000000");
    let mut agent = assemble(parts, booted.port);
    crate::log!("ready");
    match agent.run() {
        Ok(Exit::Shutdown) => crate::log!("shutdown"),
        _ => crate::log!("the event loop failed"),
    }
    power_off();
}

/// What differs between a machine and a test.
pub struct Parts {
    pub root: Root,
    pub cgroup: Option<OwnedFd>,
    pub disk: Option<OwnedFd>,
    pub is_init: bool,
}

pub fn assemble(parts: Parts, port: OwnedFd) -> Agent {
    let signals = Signals::install(parts.is_init).expect("signalfd");
    let null = OFlags::RDWR | OFlags::CLOEXEC;
    let mut cgroups = Cgroups::new(parts.cgroup);
    cgroups.tidy();
    let guard = exec::pressure::Guard::arm(cgroups.parent());
    let allowance = memory::Allowance::of(&cgroups);
    let core = Core {
        out: channel::outbox::Outbox::new(),
        streams: Default::default(),
        commands: Default::default(),
        cgroups,
        allowance,
        guard,
        spawner: Spawner {
            stack: Stack::new(),
            null: rustix::fs::open("/dev/null", null, Mode::empty()).expect("/dev/null"),
            realtime: parts.is_init && sched::raise_self(),
            clone_into: true,
        },
        lingering: Default::default(),
        users: Default::default(),
        root: parts.root,
        freezer: Freezer::new(parts.disk),
        egress: Default::default(),
        shares: Default::default(),
        poller: poll::Poller::new().expect("epoll"),
        timers: Default::default(),
        base_env: Default::default(),
        now: clock::now(),
        stopping: false,
        is_init: parts.is_init,
    };
    Agent::new(core, port, signals).expect("watch the port")
}

/// Ends the machine. QEMU runs with -no-reboot, so a restart is an exit; unlike a power-off it needs no ACPI.
fn power_off() -> ! {
    rustix::fs::sync();
    let _ = rustix::system::reboot(rustix::system::RebootCommand::Restart);
    let _ = rustix::system::reboot(rustix::system::RebootCommand::PowerOff);
    loop {
        std::thread::sleep(std::time::Duration::from_secs(3_600));
    }
}
