import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

/** One script for every mode: what only a guest can produce is read where there is one. */
const job = (create: string): string => `
import { NetworkPolicy, Sandbox } from "@mvm/sdk";
const network = NetworkPolicy.denyByDefault().allowHttps("b.example.com").allowHttps("a.example.com");
await using sandbox = await Sandbox.create("python", { network, memoryMb: 256, ttlSeconds: 600, ${create} });
await sandbox.files.write("main.py", "import os, sys\\nprint(os.environ['SIX'], os.getcwd(), sys.stdin.read())\\n");
await sandbox.commands.run("exit 3");
await sandbox.commands.run(["id", "-un"], { user: "root", check: true });
await sandbox.ports.forward({ hostPort: 0, guestPort: 8000 });
const result = await sandbox.commands.run(["python3", "main.py"], { cwd: ".", env: { SIX: "6" }, timeoutSeconds: 30 });
if (process.env["MVM_SDK_MODE"] === "live") {
  process.stdout.write(result.stdout);
  console.log(sandbox.info.planSha256);
}
`;

/** Names of what the audit log says was done. */
function done(): string[] {
  const log = join(made.home, "audit/local/log.jsonl");
  if (!existsSync(log)) return [];
  const lines = readFileSync(log, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => (JSON.parse(line) as { event: string }).event);
}

it("records and plans a script without a start, and starts it live with the plan that was admitted", async () => {
  const script = join(directory, "job.ts");
  writeFileSync(script, job('workloadId: "job", name: "job-1", tags: { team: "a" }'));
  const before = done();
  const recorded = await cli(["run", "--mode", "record", script], { home: made.home });
  expect([recorded.code, recorded.stderr]).toEqual([0, ""]);
  const planned = await cli(["run", "--mode", "plan", "--json", script], { home: made.home });
  const plan = JSON.parse(planned.stdout.toString());
  expect([planned.code, plan.verdict, plan.ir_hash]).toEqual([
    0,
    "ADMITTED",
    JSON.parse(recorded.stdout.toString()).ir_hash,
  ]);
  expect(plan.rules).toEqual(["profile.standard.start", "profile.standard.network", "profile.standard.ports"]);
  const text = await cli(["run", "--mode", "plan", script], { home: made.home });
  const first = `ADMITTED workload=job plan_sha256=${plan.plan_sha256} ir_hash=${plan.ir_hash} rules=${plan.rules.join(",")}`;
  expect(text.stdout.toString().split("\n")[0]).toBe(first);
  expect(done()).toEqual(before);

  const live = await cli(["run", "--mode", "live", script], { home: made.home });
  expect([live.code, live.stdout.toString()], live.stderr).toEqual([0, `6 /home/user \n${plan.plan_sha256}\n`]);
  expect(done().length).toBeGreaterThan(before.length);

  // What was recorded does the same when it is run as a document, under the same plan.
  const document = join(directory, "job.json");
  writeFileSync(document, JSON.stringify(JSON.parse(recorded.stdout.toString()).ir));
  const checked = await cli(["policy", "check", "--json", "--workload", document], { home: made.home });
  expect(JSON.parse(checked.stdout.toString())).toEqual(plan);
  const ran = await cli(["run", "--workload", document], { home: made.home });
  expect([ran.code, ran.stdout.toString()], ran.stderr).toEqual([0, "root\n6 /home/user \n"]);
});

it("rejects what policy refuses by the rule's id, ports included, with exit code 77 and without a start", async () => {
  const script = join(directory, "refused.ts");
  const cases = [
    ['profile: "restrictive"', "profile.restrictive.network"],
    ['profile: "restrictive", network: undefined', "profile.restrictive.ports"],
    ["memoryMb: 1_000_000", "limit.memory_mb"],
  ] as const;
  // Ends of what an earlier test did may still be on their way to the log; a begin is there before its effect.
  const begun = () => done().filter((event) => event.endsWith(".begin"));
  const before = begun();
  for (const [create, rule] of cases) {
    writeFileSync(script, job(create));
    const { code, stdout } = await cli(["run", "--mode", "plan", script], { home: made.home });
    expect([code, stdout.toString()]).toEqual([
      77,
      expect.stringMatching(`^REJECTED workload=workload .* rules=${rule}\\n`),
    ]);
  }
  expect(begun()).toEqual(before);
});
