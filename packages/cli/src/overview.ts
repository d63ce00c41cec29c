import { globalOptions } from "./command/globals.js";
import { loadAll, type Registry } from "./command/registry.js";
import type { Resolved } from "./command/resolve.js";
import { usageError } from "./errors.js";
import { registry } from "./commands/index.js";
import type { Output } from "./output/output.js";
import { optionLabel, section } from "./render/help.js";
import { version } from "./version.js";

const tail = "Run `mvmctl VERB --help` for the options and an example of a verb.\n";

/** Answers a command line that names no verb: the version, the list of verbs, or the verbs of a group. */
export async function overview(resolved: Exclude<Resolved, { kind: "verb" }>, out: Output): Promise<number> {
  if (resolved.flags.has("version")) {
    await out.result({ version }, () => `mvmctl ${version}`);
    return 0;
  }
  const text =
    resolved.kind === "none" ? await rootHelp(out.stdout.columns) : await groupHelp(resolved, out.stdout.columns);
  if (resolved.kind === "group" && !resolved.flags.has("help")) {
    throw usageError(
      `Cannot run "${resolved.name}": it needs a verb`,
      `Choose one of ${Object.keys(resolved.group.verbs).join(", ")}; \`${resolved.name} --help\` explains them`,
    );
  }
  await out.result({ command: resolved.kind === "none" ? "mvmctl" : resolved.name, help: text }, () => text);
  return 0;
}

async function rootHelp(columns: number | undefined): Promise<string> {
  const width = widthOf(columns);
  const globals = Object.entries(globalOptions).map(
    ([name, option]) => [optionLabel(name, option), option.summary] as const,
  );
  return [
    "Run untrusted code in microVMs on your own machine.",
    "Usage: mvmctl VERB [OPTIONS] …",
    "Example: mvmctl run -- python3 -c 'print(6*7)'",
    section("Verbs", await verbRows(registry), width),
    section("Global options", [...globals, ["-V, --version", "Print the version"]], width),
    tail,
  ].join("\n\n");
}

async function groupHelp(resolved: Extract<Resolved, { kind: "group" }>, columns: number | undefined): Promise<string> {
  return [
    `${resolved.group.summary}.`,
    `Usage: ${resolved.name} VERB [OPTIONS] …`,
    section("Verbs", await verbRows(resolved.group.verbs), widthOf(columns)),
    tail.replace("mvmctl", resolved.name),
  ].join("\n\n");
}

async function verbRows(verbs: Registry): Promise<(readonly [string, string])[]> {
  const loaded = new Map((await loadAll(verbs)).map((each) => [each.name, each]));
  return Object.entries(verbs).flatMap(([name, entry]): (readonly [string, string])[] => {
    if (entry.kind === "alias") return [];
    if (entry.kind === "group") return [[`${name} ${Object.keys(entry.verbs).join("|")}`, entry.summary]];
    const verb = loaded.get(name);
    return [[[name, ...(verb?.aliases ?? [])].join(", "), verb?.command.summary ?? ""]];
  });
}

function widthOf(columns: number | undefined): number {
  return Math.max(20, Math.min(columns ?? 100, 120));
}
