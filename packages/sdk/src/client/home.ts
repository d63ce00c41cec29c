import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** The variables that {@link resolveHome} reads. */
export interface HomeEnvironment {
  readonly MVM_HOME?: string | undefined;
  readonly XDG_DATA_HOME?: string | undefined;
}

/** The state root: `$MVM_HOME`, else `$XDG_DATA_HOME/mvm`, else `~/.local/share/mvm`. Absolute; nothing is created. */
export function resolveHome(environment: HomeEnvironment = process.env): string {
  if (environment.MVM_HOME) return resolve(environment.MVM_HOME);
  if (environment.XDG_DATA_HOME) return resolve(environment.XDG_DATA_HOME, "mvm");
  return join(homedir(), ".local", "share", "mvm");
}

/** Where a client finds what belongs to a state root. */
export interface HomePaths {
  readonly home: string;
  readonly run: string;
  readonly socket: string;
  /** Locked by the daemon for as long as it lives: the state root itself, which nobody takes for a stale file. */
  readonly lock: string;
  readonly logs: string;
  readonly daemonLog: string;
}

/** The paths below a state root. */
export function homePaths(home: string): HomePaths {
  const run = join(home, "run");
  const logs = join(home, "logs");
  return {
    home,
    run,
    socket: join(run, "mvmd.sock"),
    lock: home,
    logs,
    daemonLog: join(logs, "mvmd.log"),
  };
}
