import { createHash, randomBytes } from "node:crypto";
import { Sandbox } from "@mvm/sdk";
import { rss } from "./processes.mjs";

const mib = 1024 * 1024;
const fileBytes = 64 * mib;
const floodBytes = 1024 * mib;

/** A guest that writes 1 GiB to stdout, watched from the daemon's memory. */
export async function measureFlood(daemonPid) {
  const sandbox = await Sandbox.create("python");
  await sandbox.commands.run(["true"]);
  const pid = daemonPid();
  const before = rss(pid);
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, rss(pid))), 50);
  const begin = performance.now();
  const result = await sandbox.commands.run(["head", "-c", String(floodBytes), "/dev/zero"], { timeoutSeconds: 600 });
  const seconds = (performance.now() - begin) / 1000;
  clearInterval(watch);
  const honest = result.stdoutBytes === floodBytes && result.stdoutTruncated && result.exitCode === 0;
  const grown = peak - before;
  await sandbox.destroy();
  return [
    [
      "1 GiB of stdout: mvmd grows by",
      `${(grown / mib).toFixed(1)} MiB`,
      `${(floodBytes / 1e6 / seconds).toFixed(0)} MB/s`,
      "≤ 32 MB",
      grown <= 32e6,
    ],
    ["  byte count exact, truncated and flagged", honest ? "yes" : "no", "", "yes", honest],
  ];
}

/** A 64 MiB file in and out again. */
export async function measureFiles() {
  const sandbox = await Sandbox.create("python");
  await sandbox.commands.run(["true"]);
  const content = randomBytes(fileBytes);
  const rates = { write: [], read: [] };
  let same = true;
  for (let round = 0; round < 3; round++) {
    let begin = performance.now();
    await sandbox.files.write("/home/user/big", content);
    rates.write.push(fileBytes / 1e3 / (performance.now() - begin));
    begin = performance.now();
    const back = await sandbox.files.read("/home/user/big", { format: "bytes" });
    rates.read.push(fileBytes / 1e3 / (performance.now() - begin));
    const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");
    same &&= sha(back) === sha(content);
  }
  await sandbox.destroy();
  const best = (values) => Math.max(...values);
  return [
    ["64 MiB file in", `${best(rates.write).toFixed(1)} MB/s`, "", "≥ 20 MB/s", best(rates.write) >= 20],
    ["64 MiB file out", `${best(rates.read).toFixed(1)} MB/s`, "", "≥ 20 MB/s", best(rates.read) >= 20],
    ["  hashes equal", same ? "yes" : "no", "", "yes", same],
  ];
}
