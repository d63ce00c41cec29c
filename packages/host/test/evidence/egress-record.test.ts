import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { EntryFacts } from "@mvm/evidence";
import { AuditLog, maxEntryBytes } from "@mvm/evidence";
import { expect, onTestFinished, test } from "vitest";
import type { EgressDecision } from "../../src/egress/decision.js";
import { EgressRecord, maxKinds } from "../../src/evidence/egress-record.js";
import type { About } from "../../src/evidence/evidence.js";
import { createLog } from "../../src/observe/log.js";
import { temporaryHome } from "../fixture/daemon.js";
import { RecordedHome } from "./scene.js";

const sandboxId = `sbx_${"0".repeat(26)}`;
const actor = { uid: 1000, pid: 42 };

/** A real chain; what is appended while it is `full` fails as on a full disk. */
async function stage(tenant = "acme") {
  const home = temporaryHome();
  const audit = await AuditLog.open(home);
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= audit.close());
  onTestFinished(close);
  const state = { full: false };
  const record = async (event: string, { tenant: whose = "local", ...facts }: About) => {
    if (state.full) throw new Error("no space left");
    const entry: EntryFacts = { event, actor, ...facts };
    return { ...(await audit.append(whose, entry)), event, about: facts };
  };
  const egress = new EgressRecord({
    record,
    about: { tenant, sandboxId },
    log: createLog({ write: () => undefined }),
  });
  return { state, egress, close, chain: new RecordedHome(home, tenant), home };
}

const refused = (host: string, port: number | null = 443): EgressDecision => ({
  ...{ decision: "refused", host, port, reason: "no_rule", by: "host" },
});
const data = (chain: RecordedHome, event: string) =>
  chain.entries().flatMap((entry) => (entry.event === event ? [entry.data] : []));
const repeated = (chain: RecordedHome, event: string) =>
  data(chain, `${event}.summary`).flatMap(({ repeated }) => repeated as { count: number; others?: true }[]);

test("the first of a kind is an entry, the others are counted once, in the tenant's chain", async () => {
  const { egress, chain, home, close } = await stage();
  for (let n = 0; n < 5; n++) egress.decided(refused("evil.test"));
  egress.decided(refused("evil.test", 80));
  const ended = { decision: "ended", host: "api.test", port: 443, sent_bytes: 1, received_bytes: 1, duration_ms: 1 };
  egress.decided({ ...ended, cut: "policy_changed" } as EgressDecision);
  egress.decided({ ...ended, cut: null } as EgressDecision);
  await egress.flush();
  await egress.flush();
  await close();
  const denial = { host: "evil.test", port: 443, reason: "no_rule", by: "host" };
  expect(data(chain, "egress.denied")).toEqual([denial, { ...denial, port: 80 }]);
  expect(data(chain, "egress.cut")).toEqual([{ host: "api.test", port: 443, reason: "policy_changed" }]);
  expect(repeated(chain, "egress.denied")).toEqual([{ ...denial, count: 4 }]);
  expect(chain.entries().every(({ sandbox_id: id, tenant }) => id === sandboxId && tenant === "acme")).toBe(true);
  expect(await chain.verify()).toMatchObject({ ok: true, entries: 4, open: 0 });
  expect(new RecordedHome(home).entries()).toEqual([]);
});

test("ten thousand hosts make a bounded number of bounded entries, and none is uncounted", async () => {
  const { egress, chain, close } = await stage();
  const hosts = 10_000;
  for (let n = 0; n < hosts; n++) egress.decided(refused(`${"x".repeat(240)}${n}.test`));
  await egress.use("key", "api.test");
  await egress.flush();
  await close();
  expect(data(chain, "egress.denied")).toHaveLength(maxKinds + 1);
  expect(data(chain, "egress.denied").at(-1)).toEqual({ others: true });
  expect(repeated(chain, "egress.denied")).toEqual([{ others: true, count: hosts - maxKinds - 1 }]);
  expect(data(chain, "secret.used")).toEqual([{ secret: "key", host: "api.test" }]);
  expect(await chain.verify()).toMatchObject({ ok: true, entries: maxKinds + 3 });
});

test("a summary of all kinds fits an entry, whatever the names are, and names are cleaned", async () => {
  const { egress, chain, close } = await stage();
  const host = (n: number) => `${n}\u0000\u001b[2J"ÄÖ\\${"\u{1f600}".repeat(300)}`;
  for (let n = 0; n < 2 * maxKinds; n++) egress.decided(refused(host(n % (maxKinds + 1))));
  for (let n = 0; n <= maxKinds; n++) egress.decided(refused(host(n)));
  await egress.flush();
  await close();
  expect(repeated(chain, "egress.denied")).toHaveLength(maxKinds + 1);
  const lines = readFileSync(join(chain.directory, "log.jsonl"), "utf8").split("\n");
  for (const line of lines) expect(Buffer.byteLength(line)).toBeLessThan(maxEntryBytes / 2);
  for (const { host } of data(chain, "egress.denied").slice(0, -1)) expect(host).toMatch(/^[a-z0-9.:_*?-]{1,253}$/);
  expect(await chain.verify()).toMatchObject({ ok: true });
});

test("a use is on the disk when it resolves: a crash right then loses counts alone", async () => {
  const { egress, chain } = await stage();
  await egress.use("key", "api.test");
  expect(data(chain, "secret.used")).toEqual([{ secret: "key", host: "api.test" }]);
  await Promise.all([1, 2, 3].map(() => egress.use("key", "api.test")));
  // Nothing is closed or flushed: what lies there is what a killed daemon leaves.
  expect(data(chain, "secret.used")).toHaveLength(1);
  expect(await chain.verify()).toMatchObject({ ok: true, entries: 1 });
  await egress.flush();
  expect(repeated(chain, "secret.used")).toEqual([{ secret: "key", host: "api.test", count: 3 }]);
});

test("a use that cannot be written is refused, also to who waits for the same, and is tried again", async () => {
  const { egress, chain, state } = await stage();
  state.full = true;
  const uses = await Promise.allSettled([egress.use("key", "api.test"), egress.use("key", "api.test")]);
  expect(uses.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  state.full = false;
  await egress.use("key", "api.test");
  expect(data(chain, "secret.used")).toHaveLength(1);
});

test("a denial that cannot be written is counted, and written when it can be", async () => {
  const { egress, chain, state } = await stage();
  state.full = true;
  egress.decided(refused("evil.test"));
  await egress.flush();
  state.full = false;
  await egress.flush();
  expect(repeated(chain, "egress.denied")).toEqual([expect.objectContaining({ host: "evil.test", count: 1 })]);
  egress.decided(refused("evil.test"));
  await egress.flush();
  expect(data(chain, "egress.denied")).toHaveLength(1);
});
