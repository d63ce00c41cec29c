import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { offered } from "../src/command/define.js";
import { loadAll } from "../src/command/registry.js";
import { registry } from "../src/commands/index.js";
import { run } from "./support/cli.js";

const verbs = await loadAll(registry);

test.each(["bash", "zsh", "fish"] as const)(
  "the %s script knows every verb and option, and the shell accepts it",
  async (shell) => {
    const script = (await run(["completion", shell])).stdout.toString();
    for (const { name, command } of verbs) {
      expect(script).toContain(name.split(" ").at(-1));
      for (const option of Object.keys(offered(command.options)))
        expect(script).toContain(shell === "fish" ? `-l ${option}` : `--${option}`);
    }
    const file = join(mkdtempSync(join(tmpdir(), "mvmctl-")), "script");
    writeFileSync(file, script);
    const checked = spawnSync(shell, ["-n", file], { encoding: "utf8" });
    if (checked.error !== undefined) console.log(`SKIP syntax check: ${shell} is not installed`);
    else expect([checked.status, checked.stderr]).toEqual([0, ""]);
  },
);

test.each([
  ["mvmctl re", ["receipt", "release", "resize", "resume"]],
  ["mvmctl fs r", ["read", "rm"]],
  ["mvmctl run --acc", ["--accel"]],
  ["mvmctl run --accel ", ["auto", "kvm", "tcg"]],
  ["mvmctl completion ", ["bash", "fish", "zsh"]],
  ["mvmctl fs rm --rec", ["--recursive"]],
])("bash completes %j", async (line, expected) => {
  const script = (await run(["completion", "bash"])).stdout.toString();
  const words = line.split(" ");
  const program = `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _mvmctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const found = execFileSync("bash", ["-c", program], { encoding: "utf8" }).trim().split("\n");
  expect(found.sort()).toEqual(expected);
});
