import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import {
  AuditLog,
  argvDigest,
  envelopeText,
  evidenceLayout,
  openSigningKey,
  receiptStatement,
  sha256,
  signStatement,
} from "@mvm/evidence";
import { documentOf, program, run } from "./support/cli.js";

const actor = { uid: 0, pid: 1 };
const runId = "run_01m832z3wcghz4wy9gfr86xdmm";
let home: string;
let ids: string[];
let receipt: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "mvmctl-evidence-"));
  const log = await AuditLog.open(home);
  ids = [];
  const add = async (event: string, data = {}): Promise<void> => {
    ids.push((await log.append("local", { event, actor, runId, data })).id);
  };
  await add("run.begin");
  await add("run.end", { begin: ids[0] });
  for (let n = 0; n < 20; n++) await add("test.note", { n });
  await log.close();
  const statement = receiptStatement(
    { stdoutSha256: sha256("42\n"), stderrSha256: sha256("") },
    {
      ...{ schema_version: 1, run_id: runId, audit_id: ids[0] ?? "", audit_seq: 1, tenant: "local" },
      ...{ started_at: "2026-01-01T00:00:00Z", finished_at: "2026-01-01T00:00:01Z", plan_sha256: null },
      policy: { profile: "restrictive", sha256: null },
      image: { name: "python", digest: null },
      isolation: { backend: "qemu", accel: "tcg", isolation: "emulated" },
      observed: {
        ...{ outcome: "completed", duration_ms: 1, timed_out: false, stdout_bytes: 3, stderr_bytes: 0 },
        ...{ stdout_truncated: false, stderr_truncated: false },
      },
      claimed_by_guest: { exit_code: 0, signal: null, oom_killed: false },
      invocation: { argv_len: 1, argv_hmac_sha256: argvDigest(["x"], Buffer.alloc(32)), env_count: 0, mounts: 0 },
    },
  );
  receipt = join(home, "receipt.json");
  writeFileSync(receipt, envelopeText(signStatement(statement, openSigningKey(evidenceLayout(home).keys, "receipt"))));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const mvmctl = (...argv: string[]) => run(argv, { home });

describe("audit", () => {
  test("verify says that the log is whole, or the first bad line and why, without a daemon", async () => {
    const good = await mvmctl("audit", "verify", "--json");
    expect(good.code, good.stderr).toBe(0);
    expect(documentOf(good)).toMatchObject({ schema_version: 1, ok: true, tenant: "local", entries: 22 });
    expect((await mvmctl("audit", "verify")).stdout.toString()).toContain("22 entries, whole and unchanged");
    const log = join(home, "audit/local/log.jsonl");
    const whole = readFileSync(log, "utf8");
    writeFileSync(log, whole.replace('"n":5', '"n":6'));
    const bad = await mvmctl("audit", "verify", "--json");
    writeFileSync(log, whole);
    expect(bad.code).toBe(65);
    expect(documentOf(bad)).toMatchObject({
      ...{ ok: false, tenant: "local", reason: "prev_mismatch", line: 8, file: "log.jsonl" },
      error: { code: "VERIFICATION_FAILED" },
    });
    expect(bad.stderr).toContain("line 8 of log.jsonl");
    expect(bad.stderr).toContain("prev_mismatch");
  });

  test("rotate-key replaces a key in a signed entry: the key that was pinned before still verifies", async () => {
    const { keys } = evidenceLayout(home);
    const copy = mkdtempSync(join(tmpdir(), "mvmctl-rotated-"));
    try {
      cpSync(home, copy, { recursive: true });
      const rotated = await run(["audit", "rotate-key", "--json"], { home: copy });
      expect(rotated.code, rotated.stderr).toBe(0);
      const { from, to } = documentOf(rotated) as { from: string; to: string };
      expect([from, to].every((id) => /^[0-9a-f]{64}$/.test(id)) && from !== to).toBe(true);
      const pinned = join(keys, "audit.pub");
      const verdict = await run(["audit", "verify", "--json", "--key", pinned], { home: copy });
      expect(documentOf(verdict)).toMatchObject({ ok: true, entries: 23, key_id: to });
      expect((await run(["audit", "rotate-key", "--purpose", "receipt"], { home: copy })).code).toBe(0);
      expect((await run(["receipt", "verify", receipt, "--json"], { home: copy })).code).toBe(0);
      expect((await run(["audit", "verify"], { home: copy })).code).toBe(0);
      const log = await AuditLog.open(copy);
      const refused = await run(["audit", "rotate-key"], { home: copy });
      await log.close();
      expect({ code: refused.code, says: refused.stderr.includes("AUDIT_UNAVAILABLE") }).toEqual({
        ...{ code: 69, says: true },
      });
    } finally {
      rmSync(copy, { recursive: true });
    }
  });

  test("verify trusts the pinned key only, and calls an empty history empty", async () => {
    const { keys } = evidenceLayout(home);
    expect((await mvmctl("audit", "verify", "--key", join(keys, "audit.pub"))).code).toBe(0);
    const wrong = await mvmctl("audit", "verify", "--key", join(keys, "receipt.pub"), "--json");
    expect(wrong.code).toBe(65);
    expect(documentOf(wrong)).toMatchObject({ ok: false, reason: "head_signature" });
    expect((await mvmctl("audit", "verify", "--key", "/nonexistent")).code).toBe(64);
    const empty = await mvmctl("audit", "verify", "--tenant", "other", "--json");
    expect(empty.code).toBe(0);
    expect(documentOf(empty)).toMatchObject({ ok: true, entries: 0, head: null, empty: true });
    expect((await mvmctl("audit", "verify", "--tenant", "../local")).code).toBe(64);
  });

  test("tail shows the last entries, one JSON object a line", async () => {
    const tail = await mvmctl("audit", "tail", "-n", "3", "--json");
    const lines = tail.stdout
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { seq: number });
    expect(lines.map(({ seq }) => seq)).toEqual([20, 21, 22]);
    expect((await mvmctl("audit", "tail")).stdout.toString().trim().split("\n")).toHaveLength(10);
    expect((await mvmctl("audit", "tail", "-n", "0")).stdout.toString()).toBe("");
  });

  test("show finds an entry and what closed it", async () => {
    const shown = await mvmctl("audit", "show", ids[0] ?? "", "--json");
    expect(documentOf(shown)).toMatchObject({ entry: { id: ids[0], event: "run.begin" }, end: { id: ids[1] } });
    expect((await mvmctl("audit", "show", "evt_01m832z3wcghz4wy9gfr86xdmm")).code).toBe(64);
    expect((await mvmctl("audit", "show", "nonsense")).code).toBe(64);
  });
});

describe("receipt verify", () => {
  test("verifies, and says whether the log has the entry", async () => {
    const good = await mvmctl("receipt", "verify", receipt, "--json");
    expect(good.code, good.stderr).toBe(0);
    expect(documentOf(good)).toMatchObject({
      ok: true,
      audit: "matches",
      run_id: runId,
      claimed_by_guest: { exit_code: 0 },
    });
    const pinned = await mvmctl("receipt", "verify", receipt, "--json", "--key", join(home, "keys/receipt.pub"));
    expect(documentOf(pinned)).toMatchObject({ ok: true, audit: "unchecked" });
  });

  test("E-01 E-02 E-05 E-14 names what is wrong, exit 65", async () => {
    const out = join(home, "out.txt");
    writeFileSync(out, "42\n");
    expect((await mvmctl("receipt", "verify", receipt, "--stdout", out)).code).toBe(0);
    const changed = join(home, "changed.json");
    writeFileSync(changed, readFileSync(receipt, "utf8").replace('"payload":"ey', '"payload":"fy'));
    const large = join(home, "large.json");
    writeFileSync(large, Buffer.alloc(100_000));
    const cases: [string[], string][] = [
      [[changed], "bad_signature"],
      [[receipt, "--key", join(home, "keys/audit.pub")], "unknown_key"],
      [[receipt, "--stderr", out], "output_mismatch"],
      [[large], "too_large"],
      [[out], "malformed"],
    ];
    for (const [argv, reason] of cases) {
      const bad = await mvmctl("receipt", "verify", ...argv, "--json");
      expect(bad.code, argv.join(" ")).toBe(65);
      expect(documentOf(bad)).toMatchObject({ ok: false, reason, error: { code: "VERIFICATION_FAILED" } });
    }
    expect((await mvmctl("receipt", "verify", join(home, "none.json"))).code).toBe(64);
    expect((await mvmctl("receipt", "verify", home)).code).not.toBe(0);
  });
});

it.runIf(process.getuid?.() === 0)("E-12 runs as another user, who can read the files and has no daemon", async () => {
  const copy = mkdtempSync(join(tmpdir(), "mvmctl-auditor-"));
  try {
    for (const name of ["audit", "keys/receipt.pub", "keys/audit.pub", "receipt.json"]) {
      mkdirSync(join(copy, name, ".."), { recursive: true });
      cpSync(join(home, name), join(copy, name), { recursive: true });
    }
    await new Promise((resolve) => execFile("chmod", ["-R", "a+rX", copy], resolve));
    chmodSync(copy, 0o755);
    cpSync(program(), join(copy, "mvmctl.cjs"));
    const asNobody = (argv: string[]): Promise<number> =>
      new Promise((resolve) => {
        const options = { env: { PATH: process.env["PATH"], MVM_HOME: copy, HOME: "/nonexistent" }, cwd: "/" };
        const line = [
          "--reuid=65534",
          "--regid=65534",
          "--clear-groups",
          process.execPath,
          join(copy, "mvmctl.cjs"),
          ...argv,
        ];
        const child = execFile("setpriv", line, options, () => resolve(child.exitCode ?? -1));
      });
    expect(await asNobody(["audit", "verify", "--json"])).toBe(0);
    expect(await asNobody(["receipt", "verify", join(copy, "receipt.json"), "--json"])).toBe(0);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});
