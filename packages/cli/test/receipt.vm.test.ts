import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeHome } from "../../../tests/support/home.js";
import { documentOf, run } from "./support/cli.js";

let made: ReturnType<typeof makeHome>;
let work = "";
const mvm = (argv: readonly string[]) => run(argv, { home: made.home, timeoutMs: 110_000 });
const place = (name: string) => join(work, name);

beforeAll(() => {
  made = makeHome();
  work = mkdtempSync(join(tmpdir(), "mvmctl-receipt-"));
});
afterAll(() => {
  made.remove();
  rmSync(work, { recursive: true, force: true });
});

test("E-08 E-12 a run's receipt says what ran and how, and verifies with the public key alone", async () => {
  const path = place("run.json");
  const ran = await mvm(["run", "--json", "--receipt", path, "--", "sh", "-c", "echo out; exit 3"]);
  expect(ran.code, ran.stderr).toBe(3);
  const result = documentOf(ran) as unknown as Record<string, string | { accel: string }>;
  expect(result["receipt_path"]).toBe(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  writeFileSync(place("out"), "out\n");
  const key = join(made.home, "keys/receipt.pub");
  const verified = await mvm(["receipt", "verify", path, "--json", "--key", key, "--stdout", place("out")]);
  expect(verified.code, verified.stderr).toBe(0);
  expect(documentOf(verified)).toMatchObject({
    ok: true,
    run_id: result["run_id"],
    audit_id: result["audit_id"],
    claimed_by_guest: { exit_code: 3 },
    isolation: result["isolation"],
    image: { name: "python" },
    policy: { profile: "restrictive" },
  });
  const shown = await mvm(["audit", "show", String(result["audit_id"]), "--json"]);
  expect(documentOf(shown)).toMatchObject({ entry: { event: "run.begin" }, end: { event: "run.end" } });
  expect((await mvm(["receipt", "verify", path])).stdout.toString()).toContain("audit: matches");
});

test("E-09 E-13 a refused run has its receipt; a place that is taken costs no run", async () => {
  const denied = await mvm(["run", "--receipt", place("denied.json"), "--env", "A=b", "--", "true"]);
  expect(denied.code).toBe(77);
  const verified = await mvm(["receipt", "verify", place("denied.json"), "--json"]);
  expect(documentOf(verified)).toMatchObject({ ok: true, audit: "matches", observed: { outcome: "denied" } });

  const log = join(made.home, "audit/local/log.jsonl");
  const before = readFileSync(log, "utf8");
  writeFileSync(place("taken.json"), "mine");
  symlinkSync("/nonexistent/file", place("link.json"));
  for (const taken of [place("taken.json"), place("link.json"), work, "/nonexistent/r.json"]) {
    const refused = await mvm(["run", "--json", "--receipt", taken, "--", "true"]);
    expect(refused.code, taken).toBe(64);
    expect(documentOf(refused).error?.code).toBe("INVALID_ARGUMENT");
  }
  expect(readFileSync(place("taken.json"), "utf8")).toBe("mine");
  expect(existsSync("/nonexistent")).toBe(false);
  expect(readFileSync(log, "utf8")).toBe(before);
  expect((await mvm(["audit", "verify"])).code).toBe(0);
});
