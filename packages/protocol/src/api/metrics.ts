import { type Static, Type } from "@sinclair/typebox";
import { count, milliseconds, nullable, oneOf, strict, time } from "./shapes.js";

/** How a command ended. `failed`: a status other than 0; `lost`: its machine or channel ended before it. */
export const CommandOutcomeSchema = oneOf(["ok", "failed", "signal", "timeout", "oom", "lost"]);
export type CommandOutcome = Static<typeof CommandOutcomeSchema>;

/** Numbers of one command that has ended. */
export const CommandNumbersSchema = Type.Object(
  {
    run_id: Type.String(),
    outcome: CommandOutcomeSchema,
    exit_code: nullable(count),
    duration_ms: nullable(milliseconds),
    stdout_bytes: count,
    stderr_bytes: count,
    /** How often its reader was slower than its output, so that it was held back. */
    backpressure_events: count,
  },
  strict,
);
export type CommandNumbers = Static<typeof CommandNumbersSchema>;

/** What the host observes of one sandbox. Null where there is no machine to measure. */
export const HostNumbersSchema = Type.Object(
  {
    uptime_ms: milliseconds,
    /** Processor time of the machine's process. */
    cpu_ms: nullable(milliseconds),
    /** Resident memory of the machine's process; what it shares with its template included. */
    rss_bytes: nullable(count),
    /** Its share of them: a page that several machines map counts for each in part, so that the sum is what all take. Null where the kernel does not say. */
    pss_bytes: nullable(count),
    /** Blocks of the files that are the sandbox's alone. */
    disk_bytes: nullable(count),
  },
  strict,
);

/** What went through the host's connections into the sandbox. */
export const NetworkNumbersSchema = Type.Object(
  {
    connections_open: count,
    connections_total: count,
    /** Beyond the limit of connections. */
    connections_refused: count,
    bytes_to_guest: count,
    bytes_from_guest: count,
  },
  strict,
);

/** Commands of one sandbox since this daemon knows it. */
export const CommandTotalsSchema = Type.Object(
  {
    running: count,
    ended: count,
    outcomes: Type.Object({ ok: count, failed: count, signal: count, timeout: count, oom: count, lost: count }, strict),
    /** Of all that have ended. */
    duration_ms: milliseconds,
    stdout_bytes: count,
    stderr_bytes: count,
    backpressure_events: count,
    /** The last 64 that have ended, oldest first. */
    recent: Type.Array(CommandNumbersSchema),
  },
  strict,
);

/** What a guest says of itself. */
export const GuestNumbersSchema = Type.Object(
  {
    uptime_ms: milliseconds,
    cpu_ms: milliseconds,
    load1: Type.Number(),
    mem_total_bytes: count,
    mem_available_bytes: count,
    swap_used_bytes: count,
    disk_total_bytes: count,
    disk_used_bytes: count,
    inodes_total: count,
    inodes_used: count,
    processes: count,
  },
  strict,
);

/** Numbers of one sandbox: `guest` is what the guest claims, null when it does not answer; all else is observed by the host. */
export const SandboxMetricsSchema = Type.Object(
  {
    sandbox_id: Type.String(),
    name: nullable(Type.String()),
    state: Type.String(),
    time,
    /** When its agent last became ready. */
    last_ready_at: nullable(time),
    host: HostNumbersSchema,
    network: NetworkNumbersSchema,
    commands: CommandTotalsSchema,
    /** Bytes of its logs that came too fast or found no room. */
    log_dropped_bytes: count,
    guest: nullable(GuestNumbersSchema),
  },
  strict,
);
export type SandboxMetricsDocument = Static<typeof SandboxMetricsSchema>;

const label = Type.Optional(Type.String());
/** One number with what it is counted by; `image` is the beginning of the image's digest. */
export const TallySchema = Type.Object(
  { backend: label, state: label, profile: label, result: label, image: label, value: Type.Number() },
  strict,
);
export type TallyDocument = Static<typeof TallySchema>;
const tallies = Type.Array(TallySchema);

/** One image build that this daemon has run. */
export const BuildNumbersSchema = Type.Object(
  {
    name: Type.String(),
    /** Null while it runs, and when it failed. */
    digest: nullable(Type.String()),
    /** `running`, `ok`, or the error's name. */
    result: Type.String(),
    started_at: time,
    duration_ms: milliseconds,
    phases: Type.Array(Type.Object({ phase: Type.String(), ms: milliseconds }, strict)),
  },
  strict,
);
export type BuildNumbers = Static<typeof BuildNumbersSchema>;

/** Numbers of the daemon and all its sandboxes, in the four scopes; counts are since the daemon started. */
export const MetricsSchema = Type.Object(
  {
    schema_version: Type.Literal(1),
    time,
    runtime: Type.Object(
      {
        uptime_ms: milliseconds,
        rss_bytes: count,
        cpu_ms: milliseconds,
        open_descriptors: count,
        /** Starts that wait for a core or for memory. */
        queue_depth: count,
        sandboxes: tallies,
        starts: tallies,
        start_seconds: tallies,
      },
      strict,
    ),
    sandboxes: Type.Array(Type.Omit(SandboxMetricsSchema, ["guest"], strict)),
    commands: Type.Object(
      { ended: tallies, seconds: tallies, output_bytes: tallies, backpressure_events: tallies },
      strict,
    ),
    builds: Type.Object(
      {
        /** `hit`: it was there; `miss`: it had to be built or made. */
        images: tallies,
        templates: tallies,
        image_seconds: tallies,
        /** The last 32 image builds, oldest first. */
        recent: Type.Array(BuildNumbersSchema),
      },
      strict,
    ),
  },
  strict,
);
export type MetricsDocument = Static<typeof MetricsSchema>;
