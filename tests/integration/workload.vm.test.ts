import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
let directory: string;
beforeAll(() => {
  made = makeHome();
  directory = mkdtempSync(join(tmpdir(), "mvm-workload-"));
});
afterAll(() => {
  made.remove();
  rmSync(directory, { recursive: true, force: true });
});

it("runs a declared function in a sandbox, with its environment, and leaves nothing", async () => {
  const file = join(directory, "answer.py");
  writeFileSync(
    file,
    'import mvm\n\n\n@mvm.func(id="answer", image="python", resources=mvm.resources(), env={"SIX": "6"})\n' +
      'def main() -> int:\n    import os\n    return int(os.environ["SIX"]) * 7\n',
  );
  const { code, stdout } = await cli(["run", "--workload", file], { home: made.home });
  expect([code, stdout.toString()]).toEqual([0, "42\n"]);
  const listed = await cli(["ls", "--json"], { home: made.home });
  expect(JSON.parse(listed.stdout.toString()).sandboxes).toEqual([]);
});
