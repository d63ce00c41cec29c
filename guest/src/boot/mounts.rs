//! The root: a read-only base with a writable layer above it, and the kernel's views inside.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io;
use rustix::mount::{mount, mount_move, unmount, MountFlags, UnmountFlags};
use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};

const NEW: &str = "/newroot";
const HARMLESS: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// /proc, /sys and /dev, before anything else can be done.
pub fn kernel_views() {
    for dir in ["/proc", "/sys", "/dev"] {
        let _ = fs::create_dir(dir);
    }
    mount("proc", "/proc", "proc", HARMLESS, "").expect("mount /proc");
    mount("sysfs", "/sys", "sysfs", HARMLESS, "").expect("mount /sys");
    // The kernel may have mounted devtmpfs by itself.
    let _ = mount("devtmpfs", "/dev", "devtmpfs", MountFlags::NOSUID, "mode=0755");
}

/// Builds the root and makes it this process's; returns a handle on the writable file system if that is a disk.
pub fn assemble_root(base: &str, disk: Option<&str>) -> Option<OwnedFd> {
    for dir in ["/base", "/disk", NEW] {
        let _ = fs::create_dir(dir);
    }
    let read_only = MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOATIME;
    mount(base, "/base", "erofs", read_only, "").expect("mount the base");
    let quiet = MountFlags::NODEV | MountFlags::NOATIME;
    let handle = match disk {
        Some(disk) => {
            mount(disk, "/disk", "ext4", quiet, "").expect("mount the disk");
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open("/disk", flags, Mode::empty()).ok()
        }
        None => {
            mount("tmpfs", "/disk", "tmpfs", quiet, "mode=0755").expect("mount the upper tmpfs");
            None
        }
    };
    let _ = fs::create_dir("/disk/upper");
    let _ = fs::create_dir("/disk/work");
    // The upper directory's mode becomes the root's.
    let _ = fs::set_permissions("/disk/upper", fs::Permissions::from_mode(0o755));
    overlay().expect("mount the overlay");
    move_views();
    fill_root();
    switch_root().expect("enter the new root");
    handle
}

fn overlay() -> io::Result<()> {
    let layers = "lowerdir=/base,upperdir=/disk/upper,workdir=/disk/work";
    // redirect_dir lets programs rename directories of the base; without it they get EXDEV.
    let wish = format!("{},redirect_dir=on", layers);
    mount("overlay", NEW, "overlay", MountFlags::NOATIME, wish.as_str())
        .or_else(|_| mount("overlay", NEW, "overlay", MountFlags::NOATIME, layers))
}

fn move_views() {
    for dir in ["dev", "proc", "sys"] {
        let target = format!("{}/{}", NEW, dir);
        let _ = fs::create_dir(&target);
        mount_move(format!("/{}", dir).as_str(), target.as_str()).expect("move a mount");
    }
}

/// Paths here are still below /newroot.
fn fill_root() {
    let tmpfs = |name: &str, flags: MountFlags, options: &str| {
        let target = format!("{}/{}", NEW, name);
        let _ = fs::create_dir(&target);
        let kind = if name == "dev/pts" { "devpts" } else { "tmpfs" };
        if mount(kind, target.as_str(), kind, flags, options).is_err() {
            crate::log!("mount /{} failed", name);
        }
    };
    let no_devices = MountFlags::NOSUID | MountFlags::NODEV;
    tmpfs(
        "dev/pts",
        MountFlags::NOSUID | MountFlags::NOEXEC,
        "mode=620,gid=5,ptmxmode=666",
    );
    tmpfs("dev/shm", no_devices, "mode=1777");
    tmpfs("run", no_devices, "mode=755,size=25%");
    let tmp = format!("{}/tmp", NEW);
    let _ = fs::create_dir(&tmp);
    let _ = fs::set_permissions(&tmp, fs::Permissions::from_mode(0o1777));
    for (link, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        let _ = symlink(target, format!("{}/dev/{}", NEW, link));
    }
    let lock = format!("{}/run/lock", NEW);
    let _ = fs::create_dir(&lock);
    let _ = fs::set_permissions(&lock, fs::Permissions::from_mode(0o1777));
}

/// pivot_root cannot leave an initramfs; moving the mount over it and changing root can.
fn switch_root() -> io::Result<()> {
    // The overlay holds both layers by itself; their own mount points are of no use to the guest.
    let _ = unmount("/base", UnmountFlags::DETACH);
    let _ = unmount("/disk", UnmountFlags::DETACH);
    rustix::process::chdir(NEW)?;
    mount_move(".", "/")?;
    rustix::process::chroot(".")?;
    rustix::process::chdir("/")
}
