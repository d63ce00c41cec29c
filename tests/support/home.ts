import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
/** The launcher a user would type. */
export const mvmctl = join(root, "mvmctl");

/** The state root that `npm test` has set up: images, kernels and templates are taken from it. */
export const sharedHome = process.env["MVM_HOME"] ?? join(root, ".mvm-test");

/** What a home is expensive without. Their files are immutable, so hard links are as good as copies. */
const assets = ["images", "kernels", "boot", "templates", "cache", "setup"];

/**
 * A state root of its own with the shared one's images and templates: what happens to its daemon and its sandboxes is
 * nobody else's business. `remove` ends its daemon first.
 */
export function makeHome(): { readonly home: string; remove(): void } {
  const home = mkdtempSync(join(tmpdir(), "mvm-"));
  for (const name of readdirSync(sharedHome).filter((entry) => assets.some((asset) => entry.startsWith(asset)))) {
    execFileSync("cp", ["-al", join(sharedHome, name), join(home, name)]);
  }
  // Signed with the shared one's key, which this one does not have.
  const images = join(home, "images");
  const stated = existsSync(images) ? readdirSync(images).filter((name) => name.endsWith(".provenance.json")) : [];
  for (const name of stated) rmSync(join(images, name));
  return {
    home,
    remove: () => {
      stopDaemon(home);
      // Detached machines live on without their daemon, as they should; a test's have nobody left to end them.
      for (const pid of machinesOf(home)) killQuietly(pid);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself in between.
  }
}

/** Pid of a home's daemon, or undefined. */
export function daemonPid(home: string): number | undefined {
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, "utf8");
      const environment = readFileSync(`/proc/${entry}/environ`, "utf8");
      const isDaemon = command.includes("host/dist/main.js") && !command.startsWith("flock");
      if (isDaemon && environment.split("\0").includes(`MVM_HOME=${home}`)) return Number(entry);
    } catch {
      continue;
    }
  }
  return undefined;
}

/** Ends a home's daemon and waits until it has taken its sandboxes with it. */
export function stopDaemon(home: string): void {
  const pid = daemonPid(home);
  if (pid === undefined) return;
  process.kill(pid, "SIGTERM");
  for (let tries = 0; tries < 100 && existsSync(`/proc/${pid}`); tries++) execFileSync("sleep", ["0.1"]);
  if (existsSync(`/proc/${pid}`)) process.kill(pid, "SIGKILL");
}

/** Pids of the QEMU processes whose machine belongs to a home: their sandbox directories lie in it. */
export function machinesOf(home: string): number[] {
  const sandboxes = join(home, "sandboxes");
  if (!existsSync(sandboxes)) return [];
  const names = new Set(readdirSync(sandboxes));
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return words[0]?.includes("qemu-system") && words.some((word) => names.has(word.replace("guest=", "")));
      } catch {
        return false;
      }
    });
}

/** Makes a directory that only this user can enter. */
export function privateDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}
