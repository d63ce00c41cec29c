import { readdirSync } from "node:fs";
import process from "node:process";
import type { MetricsDocument, TallyDocument } from "@mvm/protocol";
import type { Services } from "../sandboxes/services.js";
import { labelsOf } from "./meters.js";
import { hostMetrics } from "./metrics.js";
import { Tally } from "./tally.js";

/** Numbers of the daemon and everything it holds, in the scopes runtime, sandbox, command and build. */
export async function runtimeMetrics({ registry, queue, meters }: Services): Promise<MetricsDocument> {
  const sandboxes = registry.list();
  const states = new Tally();
  for (const sandbox of sandboxes) states.add({ ...labelsOf(sandbox), state: sandbox.state });
  const { user, system } = process.cpuUsage();
  return {
    schema_version: 1,
    time: new Date().toISOString(),
    runtime: {
      uptime_ms: Math.round(process.uptime() * 1000),
      rss_bytes: process.memoryUsage.rss(),
      cpu_ms: Math.round((user + system) / 1000),
      open_descriptors: readdirSync("/proc/self/fd").length,
      queue_depth: queue.depth,
      sandboxes: rows(states),
      starts: rows(meters.starts),
      start_seconds: rows(meters.startSeconds),
    },
    sandboxes: await Promise.all(sandboxes.map(hostMetrics)),
    commands: {
      ended: rows(meters.commands),
      seconds: rows(meters.commandSeconds),
      output_bytes: rows(meters.outputBytes),
      backpressure_events: rows(meters.backpressure),
    },
    builds: {
      images: rows(meters.images),
      templates: rows(meters.templates),
      image_seconds: rows(meters.imageSeconds),
      recent: meters.builds(),
    },
  };
}

function rows(tally: Tally): TallyDocument[] {
  return tally.list().map(({ labels, value }) => ({ ...labels, value: Math.round(value * 1e6) / 1e6 }));
}
