import { userInfo } from "node:os";
import { join, resolve } from "node:path";
import { VmConfigError } from "@mvm/protocol";

/** The variables that {@link resolveHome} reads. */
export interface HomeEnvironment {
  readonly MVM_HOME?: string | undefined;
  readonly XDG_DATA_HOME?: string | undefined;
  readonly HOME?: string | undefined;
}

/**
 * The state root: `$MVM_HOME`, else `$XDG_DATA_HOME/mvm`, else `~/.local/share/mvm`. Absolute; nothing is created.
 * @throws {VmConfigError} none of the variables is set and the user is not in the password database
 */
export function resolveHome(environment: HomeEnvironment = process.env): string {
  if (environment.MVM_HOME) return resolve(environment.MVM_HOME);
  if (environment.XDG_DATA_HOME) return resolve(environment.XDG_DATA_HOME, "mvm");
  return join(environment.HOME ? resolve(environment.HOME) : homeInPasswords(), ".local", "share", "mvm");
}

/** Without HOME, as for a service, the password database knows. */
function homeInPasswords(): string {
  try {
    return userInfo().homedir;
  } catch (cause) {
    throw new VmConfigError({
      message: "Cannot find the state root: neither MVM_HOME nor HOME is set, and this user has no home directory",
      hint: "Set MVM_HOME",
      cause,
    });
  }
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
