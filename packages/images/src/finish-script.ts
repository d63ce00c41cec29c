import type { CatalogueEntry } from "./catalogue.js";

/** Where the finished image and its package list wait inside the chroot; left out of the image itself. */
export const outputDirectory = "tmp/mvm-out";
export const imageFile = "root.erofs";
export const packagesFile = "packages";

/** Modification time of every file of every image, seconds since the epoch. Not 0: zip files cannot go below 1980. */
export const imageTime = 1_735_689_600;

/**
 * The shell text that turns a bootstrapped chroot into an image, run by mmdebstrap with the chroot as `$1`, inside
 * the user namespace when there is one, so that owners are those of the guest. Same packages in, same bytes out.
 */
export function finishScript(entry: CatalogueEntry): string {
  const compile = entry.compilePython.map(
    (directory) => `
for directory in "$root"${directory}; do
  [ -d "$directory" ] || continue
  # Bytecode that never asks for the source's time: every file of the image gets the same one.
  chroot "$root" python3 -m compileall -q -f --invalidation-mode unchecked-hash "\${directory#"$root"}" || true
done`,
  );
  return [preamble, account, python, ...compile, privileges, identity, leftovers, pack].join("\n");
}

const preamble = `set -eu
root=$1`;

const account = `
grep -q '^user:' "$root/etc/passwd" || echo 'user:x:1000:1000:user:/home/user:/bin/bash' >>"$root/etc/passwd"
grep -q '^user:' "$root/etc/group" || echo 'user:x:1000:' >>"$root/etc/group"
for file in shadow gshadow; do [ ! -e "$root/etc/$file" ] || grep -q '^user:' "$root/etc/$file" || case $file in
  shadow) echo 'user:*:20089:0:99999:7:::' >>"$root/etc/shadow" ;;
  gshadow) echo 'user:!::' >>"$root/etc/gshadow" ;;
esac; done
rm -f "$root/etc/passwd-" "$root/etc/group-" "$root/etc/shadow-" "$root/etc/gshadow-"
mkdir -p "$root/home/user"
cp -R "$root/etc/skel/." "$root/home/user/"
chown -R 1000:1000 "$root/home/user"
chmod 0755 "$root/home/user"`;

const python = `
# The machine is the environment: pip may install into it without a second one inside.
rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
# Asking for a newer pip is a connection nobody declared.
[ ! -e "$root/usr/bin/pip" ] || printf '[global]\\ndisable-pip-version-check = true\\n' >"$root/etc/pip.conf"`;

const privileges = `
# Root is given by the host on request; no program in the image hands it out.
find "$root" -xdev -type f -perm /6000 -exec chmod ug-s {} +`;

const identity = `
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root/etc/resolv.conf" "$root/etc/mtab"
: >"$root/etc/resolv.conf"
ln -s /proc/self/mounts "$root/etc/mtab"
echo mvm >"$root/etc/hostname"
printf '127.0.0.1 localhost\\n::1 localhost\\n' >"$root/etc/hosts"
echo 'LANG=C.UTF-8' >"$root/etc/default/locale" 2>/dev/null || true
for directory in proc sys dev run tmp mnt media opt srv; do mkdir -p "$root/$directory"; done
chmod 1777 "$root/tmp" "$root/var/tmp"`;

const leftovers = `
rm -rf "$root"/var/lib/apt "$root"/var/cache/apt "$root"/var/cache/debconf/*-old "$root"/var/cache/ldconfig
rm -rf "$root/etc/apt"
rm -rf "$root"/var/lib/dpkg/*-old "$root"/usr/share/man "$root"/usr/share/info "$root"/usr/share/lintian
rm -rf "$root"/root/.cache "$root"/root/.python_history
find "$root/var/log" -type f -delete
find "$root/var/tmp" -xdev -mindepth 1 -delete 2>/dev/null || true`;

/**
 * The kernel's file systems are mounted in the chroot at this point; packing a plain bind of it, in a mount namespace
 * that ends with the tool, sees the empty directories beneath. Extended attributes are left out: the only ones a
 * package sets are file capabilities, which are setuid by another name.
 */
const pack = `
mkdir -p "$root/${outputDirectory}/tree"
dpkg-query --admindir="$root/var/lib/dpkg" --show \\
  --showformat='\${Package}\\t\${Version}\\t\${Architecture}\\n' >"$root/${outputDirectory}/${packagesFile}"
unshare --mount sh -euc 'mount --bind "$1" "$2/tree"
  exec mkfs.erofs --quiet -x-1 -T${imageTime} -U 00000000-0000-0000-0000-000000000000 \\
    --exclude-regex="^(dev|run|tmp)/" "$2/${imageFile}" "$2/tree"' pack "$root" "$root/${outputDirectory}"`;
