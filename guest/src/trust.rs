//! The certificate authority of this sandbox, as the guest's programs find it (docs/secrets.md).
//!
//! The host answers for it the hosts that a secret is bound to. Its key never comes here.

use crate::files::resolve::Root;
use crate::resume::{rewrite, write_at};
use rustix::fs::{Mode, OFlags};
use rustix::io;

/// For programs that are given one more certificate: NODE_EXTRA_CA_CERTS.
const OWN: &str = "/etc/ssl/certs/mvm-sandbox.pem";
/// The name by which OpenSSL looks it up in a directory; it follows from the subject, the same in every sandbox.
const HASHED: &str = "/etc/ssl/certs/07e72241.0";
/// Where a later update-ca-certificates collects from.
const COLLECTED: &str = "/usr/local/share/ca-certificates/mvm-sandbox.crt";
/// SSL_CERT_FILE and REQUESTS_CA_BUNDLE: everything else that is trusted, and this.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The same file as other distributions call it.
const OTHER_BUNDLES: &[&str] = &[
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

const MARK: &str = "# The authority of this sandbox.\n";
/// What is appended to a bundle is never longer. Bytes.
const TAIL: u64 = 8_192;

/// Makes programs that start from now on believe it, in place of the one of a sandbox that this one grew from.
pub fn install(root: &Root, authority: &str) {
    for (parent, name) in [("/etc", "ssl"), ("/etc/ssl", "certs")] {
        // It is there, as a rule.
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let made = root.open_raw(parent, flags);
        let _ = made.and_then(|parent| rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)));
    }
    let own = |path: &str| rewrite(root, path, |_| authority.as_bytes().to_vec());
    let mut written = vec![own(OWN), own(HASHED), append(root, BUNDLE, authority)];
    let exists = |path: &str| root.stat_raw(path).is_ok();
    written.extend(
        OTHER_BUNDLES
            .iter()
            .filter(|path| exists(path))
            .map(|path| append(root, path, authority)),
    );
    if exists("/usr/local/share/ca-certificates") {
        written.push(own(COLLECTED));
    }
    if written.iter().any(Result::is_err) {
        crate::log!("not all places of trusted certificates can be written");
    }
}

fn append(root: &Root, path: &str, authority: &str) -> io::Result<()> {
    let (file, stat) = root.open_own(path)?;
    let size = stat.st_size as u64;
    let from = size.saturating_sub(TAIL);
    let mut tail = vec![0; (size - from) as usize];
    let length = io::pread(&file, &mut tail, from)?;
    tail.truncate(length);
    let new = with_block(&tail, authority);
    if new != tail {
        write_at(&file, from, &new)?;
        rustix::fs::ftruncate(&file, from + new.len() as u64)?;
    }
    Ok(())
}

/// The end of a bundle with this authority at its end, and none of before.
fn with_block(tail: &[u8], authority: &str) -> Vec<u8> {
    let mark = MARK.as_bytes();
    let before = tail.windows(mark.len()).position(|window| window == mark);
    let mut new = tail[..before.unwrap_or(tail.len())].to_vec();
    if new.last().map_or(false, |byte| *byte != b'\n') {
        new.push(b'\n');
    }
    new.extend_from_slice(mark);
    new.extend_from_slice(authority.as_bytes());
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_replaces_the_one_before() {
        let first = with_block(b"others", "one\n");
        assert_eq!(first, [b"others\n", MARK.as_bytes(), b"one\n"].concat());
        assert_eq!(with_block(&first, "one\n"), first);
        assert_eq!(
            with_block(&first, "longer\n"),
            [b"others\n", MARK.as_bytes(), b"longer\n"].concat()
        );
        assert_eq!(with_block(b"", "one\n"), [MARK.as_bytes(), b"one\n"].concat());
    }

    #[test]
    fn bundles_keep_what_they_hold_and_follow_the_last_authority() {
        let place = std::env::temp_dir().join(format!("mvm-trust-{}", std::process::id()));
        let certs = place.join("etc/ssl/certs");
        std::fs::create_dir_all(&certs).unwrap();
        let others = "x".repeat(3 * TAIL as usize);
        std::fs::write(certs.join("ca-certificates.crt"), &others).unwrap();
        let root = Root::open(place.to_str().unwrap()).unwrap();
        for authority in ["a longer authority\n", "another\n", "another\n"] {
            install(&root, authority);
            let bundle = std::fs::read_to_string(certs.join("ca-certificates.crt")).unwrap();
            assert_eq!(bundle, format!("{}\n{}{}", others, MARK, authority));
            for name in ["mvm-sandbox.pem", "07e72241.0"] {
                assert_eq!(std::fs::read_to_string(certs.join(name)).unwrap(), authority);
            }
        }
        std::fs::remove_dir_all(&place).unwrap();
    }
}
