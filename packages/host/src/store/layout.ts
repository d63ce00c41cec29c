import { join } from "node:path";

/** Where everything of one state root lies. Nothing outside of it is ever written. */
export interface HomeLayout {
  readonly root: string;
  readonly run: string;
  readonly socket: string;
  /** Locked by the daemon: the state root itself. A file could be removed while its lock is held, and locked again by another. */
  readonly lock: string;
  readonly sandboxes: string;
  readonly quarantine: string;
  readonly logs: string;
  readonly daemonLog: string;
  readonly temporary: string;
  /** Receipt of every run, by tenant. */
  readonly receipts: string;
  readonly snapshots: string;
  /** Rules and limits of the operator. */
  readonly policy: string;
  readonly secrets: string;
  /** Encrypt the secrets. */
  readonly secretKeys: string;
  /** Seals snapshots. */
  readonly snapshotKey: string;
  /** Signs exported snapshots; the public half lies beside it. */
  readonly exportKey: string;
}

export function homeLayout(root: string): HomeLayout {
  const run = join(root, "run");
  const logs = join(root, "logs");
  return {
    root,
    run,
    socket: join(run, "mvmd.sock"),
    lock: root,
    sandboxes: join(root, "sandboxes"),
    quarantine: join(root, "quarantine"),
    logs,
    daemonLog: join(logs, "mvmd.log"),
    temporary: join(root, "tmp"),
    receipts: join(root, "receipts"),
    snapshots: join(root, "snapshots"),
    policy: join(root, "policy"),
    secrets: join(root, "secrets"),
    secretKeys: join(root, "keys", "secrets.json"),
    snapshotKey: join(root, "keys", "snapshot.key"),
    exportKey: join(root, "keys", "snapshot-export.key"),
  };
}

/** Files of one sandbox. The id is ours and random; a sandbox's name never becomes part of a path. */
export interface SandboxLayout {
  readonly directory: string;
  readonly state: string;
  /** Base environment of a sandbox that may be started again; only while such a start is possible. */
  readonly env: string;
  /** The certificate authority that its guest believes, with its key; only where there are secrets. */
  readonly authority: string;
  /** Memory and devices of a sandbox that is cold. */
  readonly cold: string;
  readonly consoleLog: string;
  readonly supervisorLog: string;
}

export function sandboxLayout(sandboxes: string, id: string): SandboxLayout {
  const directory = join(sandboxes, id);
  return {
    directory,
    state: join(directory, "state.json"),
    env: join(directory, "env.json"),
    authority: join(directory, "authority.json"),
    cold: join(directory, "cold"),
    consoleLog: join(directory, "console.log"),
    supervisorLog: join(directory, "supervisor.log"),
  };
}
