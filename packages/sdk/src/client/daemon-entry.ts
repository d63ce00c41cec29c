import { createRequire } from "node:module";
import { VmDependencyError } from "@mvm/protocol";

/** The file that is the daemon: `$MVM_DAEMON`, else the installed `@mvm/host/mvmd`. Resolved, never imported. */
export function daemonEntry(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment["MVM_DAEMON"]) return environment["MVM_DAEMON"];
  try {
    return createRequire(import.meta.url).resolve("@mvm/host/mvmd");
  } catch (cause) {
    throw new VmDependencyError({
      message: "Cannot start the daemon: the package @mvm/host is not installed",
      hint: "Install mvmctl (`npm i -g mvmctl`), or name the daemon's file in MVM_DAEMON",
      operation: "daemon.start",
      cause,
    });
  }
}

const kept = /^(PATH|HOME|USER|LOGNAME|LANG|LC_.*|TZ|TMPDIR|XDG_.*|MVM_.*|SSL_CERT_.*|NODE_EXTRA_CA_CERTS)$|_proxy$/i;

/**
 * The daemon's environment. It outlives the client that happens to start it, so it gets what it needs and not what the
 * client holds: no credentials, no NODE_OPTIONS.
 */
export function daemonEnvironment(home: string, environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const own = Object.entries(environment).filter(([name]) => kept.test(name));
  return { ...Object.fromEntries(own), MVM_HOME: home };
}
