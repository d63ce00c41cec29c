import { accessSync, constants, lstatSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import type { SystemDirectory } from "./cage.js";

const searchPath = ["/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin", "/bin", "/sbin"];

/**
 * Path of an installed program, or null. Only system directories are searched: what the user's PATH names first
 * is not started with the daemon's rights.
 */
export function findProgram(name: string): string | null {
  for (const directory of searchPath) {
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      continue;
    }
  }
  return null;
}

/** The QEMU binary for this host's architecture; `MVM_QEMU` names another one. */
export function findQemu(): string | null {
  return process.env["MVM_QEMU"] ?? findProgram("qemu-system-x86_64");
}

/** What a dynamically linked program needs of the host's root: `/usr`, and the top-level directories or links into it. */
export function systemDirectories(): readonly SystemDirectory[] {
  const found: SystemDirectory[] = [{ kind: "directory", path: "/usr" }];
  for (const path of ["/lib", "/lib64", "/lib32", "/bin", "/sbin"]) {
    try {
      found.push(
        lstatSync(path).isSymbolicLink()
          ? { kind: "link", path, target: readlinkSync(path) }
          : { kind: "directory", path },
      );
    } catch {
      continue;
    }
  }
  try {
    statSync("/etc/ld.so.cache");
    found.push({ kind: "directory", path: "/etc/ld.so.cache" });
  } catch {
    // Without the cache the loader searches the default directories.
  }
  return found;
}
