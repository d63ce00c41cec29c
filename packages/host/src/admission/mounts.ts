import { guestPathProblem, InvalidArgumentError, type Mount } from "@mvm/protocol";

/** What a machine needs of its own. */
const kept = ["bin", "boot", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys", "usr"];

/**
 * The mounts of a plan: every host directory by its one real name, so that no link decides what a rule is asked about, and
 * every guest path where a directory may be put.
 * @param directory the real name of a host directory that can be shared
 * @throws {InvalidArgumentError | PolicyDenied} naming the mount
 */
export async function placeMounts(
  mounts: readonly Mount[],
  directory: (host: string) => Promise<string>,
): Promise<readonly Mount[]> {
  const placed: Mount[] = [];
  for (const [index, { host, guest, mode }] of mounts.entries()) {
    const path = guestPath(guest, index);
    const other = placed.find((mount) => isWithin(path, mount.guest) || isWithin(mount.guest, path));
    if (other !== undefined) {
      throw refused(guest, `${other.guest} is shared already, and one would hide the other`, index);
    }
    placed.push({ host: await directory(host), guest: path, mode });
  }
  return placed;
}

function guestPath(guest: string, index: number): string {
  const problem = guestPathProblem(guest);
  if (problem !== null) throw refused(guest, problem, index);
  if (!guest.startsWith("/")) throw refused(guest, "it is not absolute", index);
  const parts = guest.split("/").filter((part) => part !== "" && part !== ".");
  const [top] = parts;
  if (top === undefined) throw refused(guest, "it is the root of the sandbox", index);
  if (kept.includes(top)) throw refused(guest, `the sandbox needs its own /${top}`, index);
  return `/${parts.join("/")}`;
}

function isWithin(path: string, parent: string): boolean {
  return path === parent || path.startsWith(`${parent}/`);
}

function refused(guest: string, why: string, index: number): InvalidArgumentError {
  return new InvalidArgumentError({
    message: `Cannot share a directory at ${JSON.stringify(guest.slice(0, 128))}: ${why}`,
    hint: "Share it at a path of its own, such as /work",
    context: { pointer: `/mounts/${index}/guest` },
  });
}
