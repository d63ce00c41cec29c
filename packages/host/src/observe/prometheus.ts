import type { MetricsDocument, TallyDocument } from "@mvm/protocol";
import type { Sandbox } from "../sandboxes/sandbox.js";
import { labelsOf } from "./meters.js";
import { labelNames, Tally } from "./tally.js";

type Kind = "Counter" | "Gauge";
type Rows = readonly TallyDocument[];
type Metric = readonly [kind: Kind, name: string, help: string, rows: Rows];

/** Prometheus' text format, and what it is called in HTTP. */
export interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

/**
 * The metrics document as Prometheus reads it. Sandboxes are summed up by backend, state, profile and image: an id or a name
 * would label a series for every one that ever lived. Loaded when it is first asked for: few daemons are.
 */
export async function exposition(document: MetricsDocument, sandboxes: readonly Sandbox[]): Promise<Exposition> {
  const prometheus = await import("prom-client");
  const registry = new prometheus.Registry();
  for (const [kind, name, help, rows] of metricsOf(document, sandboxes)) {
    const metric = new prometheus[kind]({ name, help, labelNames: [...labelNames], registers: [registry] });
    for (const { value, ...labels } of rows) metric.inc(labels, value);
  }
  return { contentType: registry.contentType, text: await registry.metrics() };
}

function metricsOf({ runtime, sandboxes, commands, builds }: MetricsDocument, live: readonly Sandbox[]): Metric[] {
  const one = (value: number): Rows => [{ value }];
  const sum = (of: (sandbox: MetricsDocument["sandboxes"][number]) => number | null): Rows => {
    const tally = new Tally();
    for (const numbers of sandboxes) {
      const sandbox = live.find(({ id }) => id === numbers.sandbox_id);
      if (sandbox !== undefined) tally.add({ ...labelsOf(sandbox), state: numbers.state }, of(numbers) ?? 0);
    }
    return tally.list().map(({ labels, value }) => ({ ...labels, value }));
  };
  const lastReady = Math.max(0, ...sandboxes.map(({ last_ready_at: at }) => (at === null ? 0 : Date.parse(at) / 1000)));
  return [
    ["Gauge", "mvm_daemon_uptime_seconds", "Time since the daemon started", one(runtime.uptime_ms / 1000)],
    ["Gauge", "mvm_daemon_resident_memory_bytes", "Resident memory of the daemon", one(runtime.rss_bytes)],
    ["Counter", "mvm_daemon_cpu_seconds_total", "Processor time of the daemon", one(runtime.cpu_ms / 1000)],
    ["Gauge", "mvm_daemon_open_descriptors", "Open file descriptors of the daemon", one(runtime.open_descriptors)],
    ["Gauge", "mvm_sandboxes", "Sandboxes there are", runtime.sandboxes],
    ["Gauge", "mvm_start_queue_depth", "Starts that wait for a core or for memory", one(runtime.queue_depth)],
    ["Counter", "mvm_starts_total", "Starts of machines by their result", runtime.starts],
    ["Counter", "mvm_start_seconds_total", "Time the starts took", runtime.start_seconds],
    [
      "Gauge",
      "mvm_sandbox_cpu_seconds",
      "Processor time of the machines there are",
      sum(({ host }) => seconds(host.cpu_ms)),
    ],
    [
      "Gauge",
      "mvm_sandbox_memory_bytes",
      "Memory of the machines, shared pages counted once",
      sum(({ host }) => host.pss_bytes ?? host.rss_bytes),
    ],
    ["Gauge", "mvm_sandbox_disk_bytes", "Disk the sandboxes take on the host", sum(({ host }) => host.disk_bytes)],
    [
      "Gauge",
      "mvm_sandbox_connections",
      "Open connections into sandboxes",
      sum(({ network }) => network.connections_open),
    ],
    ["Gauge", "mvm_sandbox_received_bytes", "Bytes sent into sandboxes", sum(({ network }) => network.bytes_to_guest)],
    ["Gauge", "mvm_sandbox_sent_bytes", "Bytes that came out", sum(({ network }) => network.bytes_from_guest)],
    ["Gauge", "mvm_sandbox_log_dropped_bytes", "Log bytes that were dropped", sum((of) => of.log_dropped_bytes)],
    ["Gauge", "mvm_sandbox_last_ready_timestamp_seconds", "When a sandbox last became ready", one(lastReady)],
    ["Gauge", "mvm_commands_running", "Commands that run", sum(({ commands: { running } }) => running)],
    ["Counter", "mvm_commands_total", "Commands by how they ended", commands.ended],
    ["Counter", "mvm_command_seconds_total", "Time the commands took", commands.seconds],
    ["Counter", "mvm_command_output_bytes_total", "Bytes the commands wrote", commands.output_bytes],
    ["Counter", "mvm_command_backpressure_total", "Times a reader held a command back", commands.backpressure_events],
    ["Counter", "mvm_images_total", "Images asked for: hit, or miss and built", builds.images],
    ["Counter", "mvm_image_build_seconds_total", "Time the image builds took", builds.image_seconds],
    ["Counter", "mvm_templates_total", "Templates asked for: hit, or miss and made", builds.templates],
  ];
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}
