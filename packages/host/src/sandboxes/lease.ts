import { destroySandbox } from "./destroy.js";
import type { Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";

/**
 * Binds an attached sandbox to an open connection. When the last connection that holds it has ended, the sandbox is
 * destroyed at once. Returns what the end of the connection calls; calling it again does nothing.
 */
export function holdLease(services: Services, sandbox: Sandbox): () => void {
  sandbox.leases += 1;
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    sandbox.leases -= 1;
    if (sandbox.leases > 0 || sandbox.detached || sandbox.destroying !== null) return;
    services.tasks.run("lease", () => destroySandbox(services, sandbox, "client_gone"));
  };
}
