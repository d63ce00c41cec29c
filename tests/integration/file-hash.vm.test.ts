import { createHash, randomBytes } from "node:crypto";
import { beforeAll, expect, it } from "vitest";
import type { Sandbox } from "@mvm/sdk";
import { cli, document } from "../support/cli.js";
import { text, useScene, verdict } from "../support/scene.js";

const scene = useScene();
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await scene.sandbox({ name: "hashed" });
});
const sha256 = (data: Uint8Array | string): string => createHash("sha256").update(data).digest("hex");

it("F-09 a write says the hash of what passed, a stat on request that of what the guest hands out, the same as the guest computes", async () => {
  const data = randomBytes(3_000_000);
  expect(await sandbox.files.write("data", data)).toEqual({ bytes: data.length, sha256: sha256(data) });
  expect((await sandbox.files.stat("data", { sha256: true })).sha256).toBe(sha256(data));
  expect(await text(sandbox, "sha256sum data | cut -c1-64")).toBe(sha256(data));
  expect(await sandbox.files.write("data", "tail", { append: true })).toEqual({ bytes: 4, sha256: sha256("tail") });
  const whole = sha256(Buffer.concat([data, Buffer.from("tail")]));
  expect((await sandbox.files.stat("data", { sha256: true })).sha256).toBe(whole);
  const printed = document(await cli(["fs", "stat", "hashed", "data", "--sha256", "--json"], { home: scene.home }));
  expect(printed["sha256"]).toBe(whole);
});

it("a hash is there for files only, only on request, and has the path rules", async () => {
  await sandbox.files.write("plain", "");
  expect((await sandbox.files.stat("plain")).sha256).toBeUndefined();
  expect((await sandbox.files.stat("plain", { sha256: true })).sha256).toBe(sha256(""));
  expect((await sandbox.files.stat(".", { sha256: true })).sha256).toBeUndefined();
  expect(await verdict(sandbox.files.stat("/proc/version", { sha256: true }))).toBe("PolicyDenied FILE_DENIED");
  expect(await verdict(sandbox.files.stat("missing", { sha256: true }))).toBe("GuestAgentError FILE_NOT_FOUND");
});
