import { setTimeout as sleep } from "node:timers/promises";
import { Sandbox } from "@mvm/sdk";
import { cpuSeconds, machinePids, pss, rss } from "./processes.mjs";

const mib = (bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
const few = 5;
const many = 20;
const idleSeconds = 20;

/** What an idle sandbox costs, and the daemon with twenty of them. */
export async function measureDensity(daemonPid) {
  const sandboxes = [];
  const grow = async (count) => {
    while (sandboxes.length < count) {
      const sandbox = await Sandbox.create("python");
      await sandbox.commands.run(["true"]);
      sandboxes.push(sandbox);
    }
    await sleep(2_000);
    return pss(machinePids(new Set(sandboxes.map(({ id }) => id))));
  };
  try {
    const atFew = await grow(few);
    const atMany = await grow(many);
    const each = (atMany - atFew) / (many - few);
    const pids = machinePids(new Set(sandboxes.map(({ id }) => id)));
    const before = cpuSeconds(pids);
    await sleep(idleSeconds * 1000);
    const idle = ((cpuSeconds(pids) - before) / idleSeconds / many) * 100;
    const daemon = rss(daemonPid());
    return [
      ["marginal PSS of an idle sandbox", mib(each), "", "≤ 50 MB", each <= 50e6],
      ["idle CPU of a sandbox", `${idle.toFixed(2)} % of a core`, "", "≤ 1 %", idle <= 1],
      [`mvmd RSS with ${many} sandboxes`, mib(daemon), "", "≤ 150 MB", daemon <= 150e6],
    ];
  } finally {
    await Promise.all(sandboxes.map((sandbox) => sandbox.destroy()));
  }
}
