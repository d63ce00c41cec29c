import { readFileSync } from "node:fs";
import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { AgentMetrics, SandboxMetricsDocument } from "@mvm/protocol";
import { isAlive } from "../processes/identity.js";
import { checkedAnswer } from "../sandboxes/agent-answer.js";
import type { Sandbox } from "../sandboxes/sandbox.js";

/** Kernel clock ticks per second, fixed on Linux, and the size of a page. */
const ticksPerSecond = 100;
const pageBytes = 4096;

type HostMetrics = Omit<SandboxMetricsDocument, "guest">;

/** Numbers of one sandbox: what the host sees of it, and what its guest claims. */
export async function sandboxMetrics(sandbox: Sandbox): Promise<SandboxMetricsDocument> {
  return { ...(await hostMetrics(sandbox)), guest: await guestNumbers(sandbox) };
}

/** What the host sees of a sandbox; no guest is asked, so none can delay it. */
export async function hostMetrics(sandbox: Sandbox): Promise<HostMetrics> {
  const since = Date.parse(sandbox.readyAt ?? sandbox.createdAt);
  const { open, total, refused, toGuest, fromGuest } = sandbox.ports.counts();
  return {
    sandbox_id: sandbox.id,
    name: sandbox.plan.name,
    state: sandbox.state,
    time: new Date().toISOString(),
    last_ready_at: sandbox.readyAt,
    host: {
      uptime_ms: sandbox.live === null ? 0 : Math.max(0, Date.now() - since),
      ...processNumbers(sandbox),
      pss_bytes: await proportionalBytes(sandbox),
      disk_bytes: await diskBytes(sandbox.files.directory),
    },
    network: {
      ...{ connections_open: open, connections_total: total, connections_refused: refused },
      ...{ bytes_to_guest: toGuest, bytes_from_guest: fromGuest },
    },
    commands: sandbox.processes.counts.numbers(sandbox.processes.running()),
    log_dropped_bytes: sandbox.logs.droppedBytes,
  };
}

function processNumbers({ identity, live }: Sandbox): { cpu_ms: number | null; rss_bytes: number | null } {
  if (identity === null || live === null || !isAlive(identity)) return { cpu_ms: null, rss_bytes: null };
  try {
    const stat = readFileSync(`/proc/${identity.pid}/stat`, "utf8");
    const fields = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    const [user = 0, system = 0] = fields.slice(11, 13);
    return { cpu_ms: ((user + system) * 1000) / ticksPerSecond, rss_bytes: (fields[21] ?? 0) * pageBytes };
  } catch {
    return { cpu_ms: null, rss_bytes: null };
  }
}

/** From another thread: the kernel walks all page tables for it. */
async function proportionalBytes({ identity, live }: Sandbox): Promise<number | null> {
  if (identity === null || live === null || !isAlive(identity)) return null;
  const text = await readFile(`/proc/${identity.pid}/smaps_rollup`, "utf8").catch(() => "");
  const kib = /^Pss:\s+(\d+) kB$/m.exec(text)?.[1];
  return kib === undefined ? null : Number(kib) * 1024;
}

/** Blocks the sandbox's own files take; what is linked from elsewhere, its template's disk, is not its own. */
async function diskBytes(directory: string): Promise<number | null> {
  try {
    const sizes = (await readdir(directory, { recursive: true })).map(async (name) => {
      const at = await lstat(join(directory, name)).catch(() => undefined);
      return at?.isFile() === true && at.nlink === 1 ? at.blocks * 512 : 0;
    });
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  } catch {
    return null;
  }
}

async function guestNumbers({ live, state }: Sandbox): Promise<SandboxMetricsDocument["guest"]> {
  if (live === null || state !== "running") return null;
  let claimed: AgentMetrics;
  try {
    claimed = checkedAnswer("metrics", await live.session.call({ op: "metrics" }));
  } catch {
    return null;
  }
  return {
    uptime_ms: claimed.uptime_ms,
    cpu_ms: claimed.cpu_ms,
    load1: claimed.load1,
    mem_total_bytes: claimed.mem_total,
    mem_available_bytes: claimed.mem_available,
    swap_used_bytes: claimed.swap_used,
    disk_total_bytes: claimed.disk_total,
    disk_used_bytes: claimed.disk_used,
    inodes_total: claimed.inodes_total,
    inodes_used: claimed.inodes_used,
    processes: claimed.processes,
  };
}
