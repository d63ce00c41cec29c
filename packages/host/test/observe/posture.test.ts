import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { evidenceLayout, keyId, readPublicKeys } from "@mvm/evidence";
import type { Check } from "@mvm/protocol";
import { testDaemon } from "../fixture/daemon.js";

test("doctor tells whether policy is whole and keys are private", async () => {
  const { home, api } = await testDaemon();
  const find = async (name: string): Promise<Check | undefined> =>
    ((await api.json("GET", "/v1/doctor")).body.checks as Check[]).find((check) => check.name === name);
  expect(await find("policy")).toMatchObject({ status: "ok" });
  await api.json("PUT", "/v1/secrets/a", { value: "sk-live-1234" });
  expect(await find("key.secrets.json")).toMatchObject({
    status: "ok",
    detail: expect.stringContaining("0600") as string,
  });
  chmodSync(join(home, "keys/secrets.json"), 0o640);
  expect(await find("key.secrets.json")).toMatchObject({ status: "fail" });
  mkdirSync(join(home, "policy"));
  writeFileSync(join(home, "policy/a.cedar"), "\ngarbage");
  expect(await find("policy")).toMatchObject({
    status: "fail",
    detail: expect.stringContaining("a.cedar:2") as string,
  });
});

test("doctor verifies the audit log, and names the keys that sign", async () => {
  const { home, api } = await testDaemon();
  const find = async (name: string): Promise<Check | undefined> =>
    ((await api.json("GET", "/v1/doctor")).body.checks as Check[]).find((check) => check.name === name);
  await api.lines("POST", "/v1/runs", { sandbox: { profile: "restrictive" }, command: { argv: ["true"] } });
  const { keys } = evidenceLayout(home);
  const audit = await find("audit");
  expect(audit?.status, audit?.detail).toBe("ok");
  expect(audit?.detail).toMatch(/whole and unchanged, tenant local, last entry [1-9].*log\.jsonl mode 0600/);
  expect(audit?.detail).toContain(keyId(readPublicKeys(keys, "audit").current!));
  const receipts = await find("receipts");
  expect(receipts?.detail).toBe(`signed by ${keyId(readPublicKeys(keys, "receipt").current!)}, 1 kept`);
  for (const key of ["audit", "receipt"]) expect(await find(`key.${key}.key`)).toMatchObject({ status: "ok" });
  const log = join(home, "audit/local/log.jsonl");
  const descriptor = openSync(log, "r+");
  writeSync(descriptor, "#", readFileSync(log, "utf8").indexOf("sandbox.create"));
  closeSync(descriptor);
  expect(await find("audit")).toMatchObject({ status: "fail" });
});

test("doctor verifies the chain of every tenant, and warns of what it did not look at", async () => {
  const { home, api } = await testDaemon();
  const find = async (): Promise<Check> =>
    ((await api.json("GET", "/v1/doctor")).body.checks as Check[]).find(({ name }) => name === "audit")!;
  const sandbox = { profile: "restrictive", tenant: "acme" };
  await api.lines("POST", "/v1/runs", { sandbox, command: { argv: ["true"] } });
  expect(await find()).toMatchObject({ status: "ok", detail: expect.stringContaining("; 1 more tenants") as string });
  const log = join(home, "audit/acme/log.jsonl");
  const whole = readFileSync(log);
  writeFileSync(log, whole.toString().replace("run.begin", "run.begun"));
  expect(await find()).toMatchObject({ status: "fail", detail: expect.stringContaining("tenant acme") as string });
  // A segment that has grown beyond what is read on the way: it is named, not called whole.
  writeFileSync(log, whole);
  truncateSync(log, 25 * 1024 * 1024);
  expect(await find()).toMatchObject({
    status: "warn",
    detail: expect.stringContaining("too long to be verified here: 1 (acme)") as string,
    fix: "Verify it whole: mvmctl audit verify --tenant acme",
  });
});
