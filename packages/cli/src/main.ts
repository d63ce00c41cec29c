import type { Globals } from "./command/globals.js";
import { parse } from "./command/parse.js";
import { resolve } from "./command/resolve.js";
import { registry } from "./commands/index.js";
import { Cancellation } from "./output/cancellation.js";
import type { Context } from "./output/context.js";
import { Output } from "./output/output.js";
import { sinkOf } from "./output/sink.js";
import { report } from "./report.js";

const cancellation = new Cancellation();
const stdout = sinkOf(
  () => process.stdout,
  () => cancellation.stdoutClosed(),
);
const stderr = sinkOf(
  () => process.stderr,
  () => undefined,
);

async function main(line: readonly string[]): Promise<number> {
  const resolved = resolve(registry, line);
  if (resolved.kind !== "verb") {
    const { overview } = await import("./overview.js");
    const json = resolved.flags.has("json");
    return overview(resolved, new Output({ json, quiet: false }, stdout, stderr));
  }
  const command = (await resolved.verb.load()).default;
  const parsed = parse(resolved.name, command, resolved.rest);
  const context = contextOf(parsed.globals);
  if (parsed.globals.help) {
    const { verbHelp } = await import("./render/help.js");
    const text = verbHelp(resolved.name, command, stdout.columns);
    await context.out.result({ command: resolved.name, help: text }, () => text);
    return 0;
  }
  const input = parsed.input();
  cancellation.listen();
  return (await cancellation.supervise(command.run(input, context))) ?? 0;
}

function contextOf(globals: Globals): Context {
  const debug = globals.debug || process.env["MVM_DEBUG"] === "1";
  const out = new Output({ json: globals.json, quiet: globals.quiet }, stdout, stderr);
  const options = { debug, out, signal: cancellation.signal };
  return {
    json: globals.json,
    quiet: globals.quiet,
    debug,
    out,
    cancellation,
    daemon: async () => (await import("./daemon/connect.js")).connect(options),
    daemonOfContents: async () => (await import("./daemon/connect.js")).connectToContents(options),
    runningDaemon: async () => (await import("./daemon/connect.js")).connectIfRunning(options),
  };
}

const line = process.argv.slice(2);
const fail = (thrown: unknown): void => {
  void report(thrown, line, { stdout, stderr, cancellation }).then((code) => process.exit(code));
};
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
main(line).then((code) => process.exit(code), fail);
