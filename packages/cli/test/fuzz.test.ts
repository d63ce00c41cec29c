import { afterAll, beforeAll, expect, test } from "vitest";
import { loadAll } from "../src/command/registry.js";
import { registry } from "../src/commands/index.js";
import { documentOf, run } from "./support/cli.js";
import { failure, StandingDaemon } from "./support/standing-daemon.js";
import { isSandboxError } from "@mvm/protocol/errors";
import { parse } from "../src/command/parse.js";
import { resolve } from "../src/command/resolve.js";
import { asSandboxError, exitCodeOf } from "../src/render/error.js";

const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() & 0x7fffffff);
const documented = new Set([0, 64, 65, 69, 70, 74, 75, 77, 78, 124]);
const verbs = await loadAll(registry);
const options = verbs.flatMap(({ command }) => Object.keys(command.options));
const values = [
  "",
  "-",
  "--",
  "---",
  "=",
  "a=b",
  "0",
  "-1",
  "1e400",
  "512M",
  "60s",
  "never",
  "../x",
  "x:y",
  "box:/a",
  "/tmp/a:/b:rw",
  "\u0000".slice(1),
  "\u202e",
  "é",
  "💥",
  "a".repeat(5000),
  "__proto__",
  "constructor",
  "%s",
  "$(id)",
  "*",
  "\n",
  "{}",
  "--json",
  "-rf",
  "-h",
];
const names = [...verbs.flatMap(({ name, aliases }) => [...name.split(" "), ...aliases]), "fs", "image", "daemon"];

/** Mulberry32: the same words for the same seed. */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function lineFrom(random: () => number): string[] {
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
  const verb = random() < 0.9 ? [pick(names)] : [];
  if (random() < 0.3) verb.push(pick(names));
  const rest = Array.from({ length: Math.floor(random() * 7) }, () => {
    const kind = random();
    if (kind < 0.35) return `--${pick(options)}`;
    if (kind < 0.45) return `--${pick(options)}=${pick(values)}`;
    if (kind < 0.5) return `-${pick([..."abcfhnqrV"])}${random() < 0.3 ? pick(values) : ""}`;
    return pick(values);
  });
  return [...(random() < 0.2 ? ["--json"] : []), ...verb, ...rest];
}

test("100 000 random lines are parsed or refused with an error of the table", { timeout: 120_000 }, async () => {
  console.log(`seed=${seed}`);
  const random = randomFrom(seed);
  const commands = new Map(verbs.map(({ name, command }) => [`mvmctl ${name}`, command]));
  for (let i = 0; i < 100_000; i++) {
    const line = lineFrom(random);
    try {
      const resolved = resolve(registry, line);
      if (resolved.kind !== "verb") continue;
      const command = commands.get(resolved.name);
      if (command === undefined) throw new Error(`no verb ${resolved.name}`);
      const parsed = parse(resolved.name, command, resolved.rest);
      if (!parsed.globals.help) parsed.input();
    } catch (error) {
      if (!isSandboxError(error)) throw new Error(`seed=${seed} line=${JSON.stringify(line)}`, { cause: error });
      expect([64, 78]).toContain(exitCodeOf(asSandboxError(error)));
    }
  }
});

let daemon: StandingDaemon;
beforeAll(async () => {
  daemon = await StandingDaemon.start({ "*": failure("SandboxUnavailable", "SANDBOX_NOT_FOUND", 404) });
});
afterAll(() => daemon.stop());

test(
  "random lines of the real program end in time, with a documented code and no stack",
  { timeout: 60_000 },
  async () => {
    const random = randomFrom(seed);
    let count = 0;
    for (const end = Date.now() + 6_000; Date.now() < end; count++) {
      // `setup` would install programs and build images: no matter for a random line.
      const line = lineFrom(random).filter((word) => !word.includes("\0") && word !== "setup");
      const ran = await run(line, { home: daemon.home, cwd: daemon.home });
      const said = `seed=${seed} line=${JSON.stringify(line)} stderr=${ran.stderr}`;
      expect(documented.has(ran.code as number), `${ran.code} ${said}`).toBe(true);
      expect(ran.stderr.includes("    at "), said).toBe(
        line.includes("--debug") && ran.code !== 0 && ran.stderr.includes("    at "),
      );
      const json = line.includes("--json") && (line.indexOf("--") < 0 || line.indexOf("--json") < line.indexOf("--"));
      if (json && ran.code !== 0) documentOf(ran);
    }
    console.log(`seed=${seed} lines=${count}`);
  },
);
