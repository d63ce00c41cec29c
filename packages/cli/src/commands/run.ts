import type { ImageInfo, RunRequest, RunStreamEvent } from "@mvm/protocol";
import { validateArgv } from "@mvm/protocol";
import { mode } from "../args/choice.js";
import { hostFile } from "../args/host-path.js";
import { command, type Input, option } from "../command/define.js";
import { withReceipt } from "../evidence/receipt-copy.js";
import type { Context } from "../output/context.js";
import { commandOptions } from "../sandbox/command-options.js";
import { showDecision } from "../policy/decision.js";
import { createRequest, defined, runOptions } from "../sandbox/options.js";
import { usageError } from "../errors.js";
import { refuseBeside } from "../workload/beside.js";
import { finishCommand, followCommand } from "../stream/command-events.js";
import { forwardStdin, stdinKind } from "../stream/stdin.js";

const options = {
  ...runOptions,
  ...commandOptions,
  workload: option(hostFile, "Run the workload of this file, a document or a module, instead of a command"),
  mode: option(mode, "Run an SDK script, the first word of ARGV, in this mode: live, plan or record"),
};

export default command({
  summary: "Run one command in a fresh sandbox and destroy it",
  description: [
    "Output comes as the command writes it; stdin is forwarded when it is a pipe or file. Interrupting ends the sandbox. " +
      "Without a command, what the image of --image says itself is run: its entrypoint and command. " +
      "Options stand before the command: from `--`, or from the first word that is no option, everything belongs to the guest.",
  ],
  positionals: [],
  options,
  argv: {
    label: "ARGV…",
    summary: "The command and its arguments, passed on byte for byte without a shell",
    optional: true,
  },
  examples: [
    ["run -- python3 -c 'print(6*7)'", "Prints 42"],
    ["run --timeout 10s --memory 1G -- sh -c 'sort | uniq -c' < words.txt", "Pipes a file through the sandbox"],
    ["run --image web", "Runs what the image web runs by itself"],
    ["run --mode record job.ts", "Prints the workload that the script job.ts would run, without a sandbox"],
    ["run --mode plan job.py", "Says whether policy admits it, with the hash of its plan, and starts nothing"],
    ["run --workload report.py", "Runs what report.py declares; the module itself is never run on this host"],
    ["run --profile standard --allow-host api.github.com -- python3 fetch.py", "Lets the guest reach one host"],
  ],
  exits: {
    124: "The command was killed at its --timeout",
    77: "Policy refuses it",
    130: "Interrupted",
  },
  run: async (input, context) => {
    if (input.options.mode !== undefined) {
      const { runScript } = await import("../script/run-script.js");
      return runScript(input.options.mode, input.argv, context);
    }
    if (input.options.workload !== undefined) {
      refuseBeside(input.options, input.argv);
      const { runWorkload } = await import("../workload/run-workload.js");
      return runWorkload(input.options.workload, input.options["dry-run"], context);
    }
    const argv = input.argv.length > 0 ? input.argv : await imageCommand(input.options.image, context);
    return runCommand({ ...input, argv }, context);
  },
});

/** What the image itself runs. @throws InvalidArgumentError it says nothing, or no image is named */
async function imageCommand(ref: string | undefined, context: Context): Promise<string[]> {
  const hint = "Put it after `--`: `mvmctl run … -- ARGV…`";
  if (ref === undefined) throw usageError("Cannot run: no command is given", hint);
  const daemon = await context.daemonOfContents();
  const path = `/images/${encodeURIComponent(ref)}`;
  const image = await daemon?.call<ImageInfo>({ method: "GET", path, operation: "images.inspect" });
  const argv = [...(image?.config?.entrypoint ?? []), ...(image?.config?.command ?? [])];
  if (argv.length > 0) return argv;
  const why = image === undefined ? "is not there to name one" : "names none";
  throw usageError(`Cannot run: no command is given, and image ${JSON.stringify(ref)} ${why}`, hint);
}

async function runCommand(
  { options: values, argv }: Input<readonly [], typeof options>,
  context: Context,
): Promise<number> {
  const stdin = stdinKind();
  const sandbox = { profile: "restrictive", ...createRequest(values) } as const;
  if (values["dry-run"]) return showDecision(sandbox, context);
  const body: RunRequest = {
    sandbox,
    command: {
      argv: validateArgv(argv),
      stdin,
      stream: !context.json,
      ...defined({
        cwd: values.cwd,
        user: values.user,
        timeout_ms: values.timeout,
        max_output_bytes: values["max-output"],
      }),
    },
  };
  const result = await withReceipt(values.receipt, context, async () => {
    const daemon = await context.daemon();
    const events = daemon.events<RunStreamEvent>({ method: "POST", path: "/runs", operation: "run", json: body });
    return followCommand(events, context, {
      started: ({ run_id }) => {
        if (stdin === "pipe") forwardStdin(daemon, `/runs/${encodeURIComponent(run_id)}/stdin`, context);
      },
    });
  });
  return finishCommand(result, context);
}
