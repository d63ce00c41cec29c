import { VmTransientError } from "@mvm/protocol";
import type { Mount } from "@mvm/protocol";
import { nodeBudget } from "../shares/nodes.js";
import { openShared } from "../shares/open-shared.js";
import { serveShares } from "../shares/serve.js";
import { ShareServer } from "../shares/share-server.js";
import type { Live, Sandbox } from "./sandbox.js";

/**
 * Puts the plan's directories into a guest that answers, in place of those that a former daemon served. They are served until
 * the machine ends; one whose guest breaks the protocol loses them and goes on.
 * @throws {InvalidArgumentError} a directory is not what was admitted any more
 * @throws {VmTransientError} the guest did not take them
 */
export async function shareDirectories(sandbox: Sandbox, { machine, session }: Live): Promise<void> {
  const { mounts } = sandbox.plan;
  if (mounts.length === 0) return;
  const servers = await openAll(mounts);
  try {
    const port = await machine.openShares();
    void serveShares(port, servers).then((problem) => {
      if (problem !== undefined) sandbox.logs.event("shares.lost", { detail: problem });
    });
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  const shares = mounts.map(({ guest, mode }) => ({ path: guest, read_only: mode === "ro" }));
  try {
    await session.call({ op: "share", shares });
  } catch (cause) {
    throw new VmTransientError({
      message: `Cannot share directories with the sandbox: ${(cause as Error).message}`,
      sandboxId: sandbox.id,
      cause,
    });
  }
}

async function openAll(mounts: readonly Mount[]): Promise<ShareServer[]> {
  const servers: ShareServer[] = [];
  const budget = nodeBudget();
  try {
    for (const { host, mode } of mounts) servers.push(new ShareServer(await openShared(host, mode === "ro"), budget));
    return servers;
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
}
