import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, isAbsolute, join } from "node:path";
import { VmDependencyError } from "@mvm/protocol";

/**
 * The file that is the daemon: `$MVM_DAEMON`, else `@mvm/host/mvmd` as installed beside this package, else that of the
 * `mvmctl` on the PATH. Resolved, never imported.
 */
export function daemonEntry(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment["MVM_DAEMON"]) return environment["MVM_DAEMON"];
  for (const origin of [import.meta.url, ...installedCommands(environment)]) {
    try {
      return createRequire(origin).resolve("@mvm/host/mvmd");
    } catch {
      continue;
    }
  }
  throw new VmDependencyError({
    message: "Cannot start the daemon: neither the package @mvm/host nor mvmctl is installed",
    hint: "Install mvmctl (`npm i -g mvmctl`), or name the daemon's file in MVM_DAEMON",
    operation: "daemon.start",
  });
}

/** Every `mvmctl` on the PATH, links followed: it lies in the package that depends on the daemon's. */
function installedCommands(environment: NodeJS.ProcessEnv): string[] {
  return (environment["PATH"] ?? "")
    .split(delimiter)
    .filter((directory) => isAbsolute(directory))
    .flatMap((directory) => {
      try {
        return [realpathSync(join(directory, "mvmctl"))];
      } catch {
        return [];
      }
    });
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
