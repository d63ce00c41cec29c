#!/usr/bin/env node
import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isSandboxError } from "@mvm/protocol/errors";
import {
  buildImage,
  ensureBootAssets,
  openImageStore,
  sourceOptionsFromEnvironment,
  type ProgressEvent,
} from "../index.js";

const usage = `usage: build.js [--home DIR] [--agent FILE] [--rebuild] [IMAGE…]
Makes the boot assets for --agent and each IMAGE of the catalogue that is not there yet.`;

/** Set-up's door to this package, for a checkout whose daemon does not run yet. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      home: { type: "string" },
      agent: { type: "string" },
      rebuild: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  const home = values.home ?? defaultHome();
  const source = sourceOptionsFromEnvironment(process.env);
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => abort.abort(new Error(`stopped by ${signal}`)));
  }
  const control = { ...source, home, signal: abort.signal, onProgress: say };
  if (values.agent !== undefined) {
    const { record } = await ensureBootAssets({ ...control, agentPath: values.agent });
    console.log(JSON.stringify(record));
  }
  for (const name of positionals) {
    const present = values.rebuild
      ? undefined
      : await openImageStore(home)
          .verify(name)
          .catch(() => undefined);
    const { record } = present ?? (await buildImage({ ...control, name }));
    console.log(JSON.stringify({ name, digest: record.digest, size: record.size, suite: record.suite }));
  }
}

function say(event: ProgressEvent): void {
  console.error([event.phase, event.detail].filter((part) => part !== undefined).join(": "));
}

function defaultHome(): string {
  const data = process.env["XDG_DATA_HOME"] ?? join(homedir(), ".local/share");
  return process.env["MVM_HOME"] ?? join(data, "mvm");
}

main().catch((error: unknown) => {
  if (isSandboxError(error)) {
    console.error(error.message);
    console.error(`hint: ${error.hint}`);
  } else {
    console.error(error instanceof Error ? error.message : error);
  }
  process.exitCode = 69;
});
