import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
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
