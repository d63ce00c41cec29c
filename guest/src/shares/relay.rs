//! The process between /dev/fuse and the port. Each message is preceded by the number of its share, 4 bytes little-endian;
//! a message says its own length in its first four bytes. It ends with the host's end of the port, and the mounts with it.

use rustix::event::{poll, PollFd, PollFlags};
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{self, Errno};
use rustix::mount::{unmount, UnmountFlags};
use rustix::process::{pidfd_open, Pid, PidfdFlags};
use std::time::Duration;

/// A request or an answer, with room for the largest write and read the mount options and the host's INIT allow.
const MAX_MESSAGE: usize = 262_144;
const PREFIX: usize = 4;
const OUT_HEADER: usize = 16;
/// The driver learns from a work queue that the host is there: that long the port may seem abandoned.
const GREETING_TURNS: usize = 1_000;
const GREETING_PAUSE: Duration = Duration::from_millis(10);

/// Returns a handle on the new process.
pub fn start(port: OwnedFd, devices: Vec<OwnedFd>, paths: &[String]) -> io::Result<OwnedFd> {
    // SAFETY: the agent has one thread, so the child's copy of its memory is whole.
    match unsafe { libc::fork() } {
        -1 => Err(Errno::from_raw_os_error(
            std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EAGAIN),
        )),
        0 => {
            keep_only(&port, &devices);
            // SAFETY: sets this process's name.
            unsafe { libc::prctl(libc::PR_SET_NAME, b"mvm-shares\0".as_ptr()) };
            let _ = Relay::new(&port, &devices).run();
            for path in paths {
                let _ = unmount(path.as_str(), UnmountFlags::DETACH);
            }
            // SAFETY: nothing of the agent's may run its end here.
            unsafe { libc::_exit(0) }
        }
        child => pidfd_open(Pid::from_raw(child).ok_or(Errno::SRCH)?, PidfdFlags::empty()),
    }
}

/// The agent's own port and files are none of this process's business.
fn keep_only(port: &OwnedFd, devices: &[OwnedFd]) {
    let mut kept: Vec<u32> = devices.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    kept.push(port.as_raw_fd() as u32);
    kept.sort_unstable();
    let mut from = 3;
    for fd in kept.into_iter().chain(Some(u32::MAX)) {
        if fd > from {
            // SAFETY: closes numbers that nothing in this process uses.
            unsafe { libc::syscall(libc::SYS_close_range, from, fd - 1, 0) };
        }
        from = fd.saturating_add(1);
    }
}

/// The other side is gone, or says what no side may.
struct Ended;

struct Relay<'a> {
    port: &'a OwnedFd,
    /// None once its file system was unmounted.
    devices: Vec<Option<BorrowedFd<'a>>>,
    question: Vec<u8>,
    answers: Vec<u8>,
    filled: usize,
}

impl<'a> Relay<'a> {
    fn new(port: &'a OwnedFd, devices: &'a [OwnedFd]) -> Relay<'a> {
        use rustix::fd::AsFd;
        Relay {
            port,
            devices: devices.iter().map(|device| Some(device.as_fd())).collect(),
            question: vec![0; PREFIX + MAX_MESSAGE],
            answers: vec![0; 2 * (PREFIX + MAX_MESSAGE)],
            filled: 0,
        }
    }

    fn run(&mut self) -> Result<(), Ended> {
        self.await_host()?;
        loop {
            let ready = self.wait()?;
            for number in ready {
                self.ask(number)?;
            }
            self.answer()?;
        }
    }

    fn await_host(&self) -> Result<(), Ended> {
        for _ in 0..GREETING_TURNS {
            let mut fds = [PollFd::new(self.port, PollFlags::OUT)];
            let _ = poll(&mut fds, 0);
            if !fds[0].revents().contains(PollFlags::HUP) {
                return Ok(());
            }
            std::thread::sleep(GREETING_PAUSE);
        }
        Err(Ended)
    }

    /// The shares whose kernel side has a question.
    fn wait(&self) -> Result<Vec<usize>, Ended> {
        let open: Vec<(usize, BorrowedFd<'_>)> = self
            .devices
            .iter()
            .enumerate()
            .filter_map(|(number, device)| device.map(|device| (number, device)))
            .collect();
        let mut fds = vec![PollFd::new(self.port, PollFlags::IN)];
        fds.extend(open.iter().map(|(_, device)| PollFd::new(device, PollFlags::IN)));
        match poll(&mut fds, -1) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return Err(Ended),
        }
        if fds[0].revents().contains(PollFlags::HUP) {
            return Err(Ended);
        }
        let asked = fds[1..].iter().zip(&open).filter(|(fd, _)| !fd.revents().is_empty());
        Ok(asked.map(|(_, (number, _))| *number).collect())
    }

    fn ask(&mut self, number: usize) -> Result<(), Ended> {
        let device = match self.devices[number] {
            Some(device) => device,
            None => return Ok(()),
        };
        match io::read(device, &mut self.question[PREFIX..]) {
            Ok(count) => {
                self.question[..PREFIX].copy_from_slice(&(number as u32).to_le_bytes());
                self.send(PREFIX + count)
            }
            // Unmounted by somebody in the machine: the rest goes on.
            Err(Errno::NODEV) => {
                self.devices[number] = None;
                Ok(())
            }
            // The program that asked was interrupted, or another event took the question away.
            Err(_) => Ok(()),
        }
    }

    fn send(&self, length: usize) -> Result<(), Ended> {
        let mut rest = &self.question[..length];
        while !rest.is_empty() {
            match io::write(self.port, rest) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut fds = [PollFd::new(self.port, PollFlags::OUT)];
                    let _ = poll(&mut fds, -1);
                    if fds[0].revents().contains(PollFlags::HUP) {
                        return Err(Ended);
                    }
                }
                Err(_) => return Err(Ended),
            }
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<(), Ended> {
        loop {
            match io::read(self.port, &mut self.answers[self.filled..]) {
                Ok(0) => return Err(Ended),
                Ok(count) => self.filled += count,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(()),
                Err(_) => return Err(Ended),
            }
            let mut at = 0;
            while let Some(length) = next_answer(&self.answers[at..self.filled])? {
                let number = word(&self.answers[at..]) as usize;
                let message = &self.answers[at + PREFIX..at + PREFIX + length];
                if let Some(device) = self.devices.get(number).ok_or(Ended)? {
                    // One that nobody waits for any more is refused by the kernel, which is as it should be.
                    let _ = io::write(*device, message);
                }
                at += PREFIX + length;
            }
            self.answers.copy_within(at..self.filled, 0);
            self.filled -= at;
        }
    }
}

/// Length of the first message if it is there as a whole.
fn next_answer(bytes: &[u8]) -> Result<Option<usize>, Ended> {
    if bytes.len() < PREFIX + OUT_HEADER {
        return Ok(None);
    }
    let length = word(&bytes[PREFIX..]) as usize;
    if !(OUT_HEADER..=MAX_MESSAGE).contains(&length) {
        return Err(Ended);
    }
    Ok((bytes.len() >= PREFIX + length).then_some(length))
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(share: u32, length: u32, there: usize) -> Vec<u8> {
        let mut bytes = share.to_le_bytes().to_vec();
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.resize(there, 0);
        bytes
    }

    #[test]
    fn an_answer_is_taken_once_it_is_there_as_a_whole() {
        assert!(matches!(next_answer(&[]), Ok(None)));
        assert!(matches!(next_answer(&message(1, 40, 20)), Ok(None)));
        assert!(matches!(next_answer(&message(1, 40, 43)), Ok(None)));
        assert!(matches!(next_answer(&message(1, 40, 44)), Ok(Some(40))));
        assert!(matches!(next_answer(&message(1, 16, 60)), Ok(Some(16))));
    }

    #[test]
    fn a_length_that_cannot_be_one_ends_the_relay() {
        for length in [0, 15, MAX_MESSAGE as u32 + 1, u32::MAX] {
            assert!(next_answer(&message(0, length, 20)).is_err());
        }
    }
}
