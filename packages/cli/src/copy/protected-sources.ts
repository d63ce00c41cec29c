import { statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { denied } from "./refusal.js";

/** A place of the host whose content must not get into a sandbox by a slip. */
interface Protected {
  readonly path: string;
  readonly rule: string;
  readonly what: string;
  /** Whether what lies below is protected as well, or only the directory as a whole. */
  readonly below: boolean;
}

const credentials = [".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config/gcloud", ".config/gh"];
const sockets = [
  "/var/run/docker.sock",
  "/run/docker.sock",
  "/run/containerd/containerd.sock",
  "/run/podman/podman.sock",
];

/** What a copy into a sandbox refuses to read: the whole system or home, credentials, our own state. */
export class ProtectedSources {
  readonly #places: readonly Protected[];
  /** Device and inode of each place: another name or a bind mount of it is the same place. */
  readonly #identities: ReadonlyMap<string, Protected>;

  constructor(stateRoot: string, homes: readonly string[] = homesOfUser()) {
    this.#places = [
      { path: "/", rule: "copy.source.root", what: "the root of the file system", below: false },
      { path: stateRoot, rule: "copy.source.state-root", what: "the state root of mvm", below: true },
      ...homes.flatMap((home) => [
        { path: home, rule: "copy.source.home", what: "the home directory as a whole", below: false },
        ...credentials.map((name) => ({
          path: join(home, name),
          rule: "copy.source.credentials",
          what: "a directory of credentials",
          below: true,
        })),
      ]),
      ...sockets.map((path) => ({
        path,
        rule: "copy.source.socket",
        what: "the socket of a container daemon",
        below: true,
      })),
    ];
    this.#identities = new Map(
      this.#places.flatMap((place) => identityOf(place.path).map((id) => [id, place] as const)),
    );
  }

  /** Throws `PolicyDenied` when the source is, lies in, or contains a protected place. `real` has no links. */
  check(real: string, stat: { readonly dev: number; readonly ino: number }): void {
    const same = this.#identities.get(`${stat.dev}:${stat.ino}`);
    if (same !== undefined) throw refused(real, same, "it is");
    for (const place of this.#places) {
      if (real === place.path || (place.below && isBelow(real, place.path))) throw refused(real, place, "it is in");
      if (isBelow(place.path, real) && !place.rule.endsWith("credentials")) throw refused(real, place, "it contains");
    }
  }

  /** Throws when a directory met on the way is a protected place under another name. */
  checkMet(shown: string, stat: { readonly dev: number; readonly ino: number }): void {
    const same = this.#identities.get(`${stat.dev}:${stat.ino}`);
    if (same !== undefined) throw refused(shown, same, "it is");
  }
}

function refused(path: string, place: Protected, relation: string): Error {
  return denied(
    place.rule,
    `Cannot copy "${path}" into a sandbox: ${relation} ${place.what}`,
    "Copy the files the sandbox needs into a directory of their own first",
  );
}

function isBelow(path: string, directory: string): boolean {
  return path !== directory && path.startsWith(directory === "/" ? "/" : `${directory}/`);
}

function identityOf(path: string): string[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? [] : [`${stat.dev}:${stat.ino}`];
}

function homesOfUser(): string[] {
  const homes = [homedir];
  const found = [...homes, () => userInfo().homedir].flatMap((ask) => {
    try {
      return [ask()];
    } catch {
      return [];
    }
  });
  return [...new Set(found.filter((home) => home.startsWith("/") && home !== "/"))];
}
