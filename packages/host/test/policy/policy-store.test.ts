import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { PolicyDenied } from "@mvm/protocol/errors";
import { expect, test } from "vitest";
import { hostCeilings } from "../../src/admission/ceilings.js";
import { planOf } from "../../src/admission/plan.js";
import { questionsOf } from "../../src/admission/questions.js";
import { createLog } from "../../src/observe/log.js";
import { PolicyStore } from "../../src/policy/policy-store.js";
import { temporaryHome } from "../fixture/daemon.js";

const forbidAll = '@id("nothing")\nforbid (principal, action, resource);\n';
const log = createLog({ write: () => undefined });

function store(): { store: PolicyStore; mine: string; system: string } {
  const root = temporaryHome();
  const directories = [join(root, "policy"), join(root, "system")] as const;
  const host = hostCeilings({ cpus: 2, memoryMb: 1024 });
  return { store: new PolicyStore({ directories, host, log }), mine: directories[0], system: directories[1] };
}
const starts = async (policies: PolicyStore): Promise<boolean> => {
  const plan = planOf({});
  return (await policies.current()).permits(plan, questionsOf(plan, false)[0] as never);
};
const broken = async (policies: PolicyStore): Promise<PolicyDenied> =>
  await policies.current().then(
    () => expect.fail("is not broken"),
    (error: unknown) => error as PolicyDenied,
  );

test("without directories the profiles alone decide", async () => {
  expect(await starts(store().store)).toBe(true);
});

test("files of both directories narrow, and a change counts for the next request", async () => {
  const { store: policies, mine, system } = store();
  for (const directory of [mine, system]) {
    mkdirSync(directory);
    expect(await starts(policies)).toBe(true);
    writeFileSync(join(directory, "a.cedar"), forbidAll);
    expect(await starts(policies)).toBe(false);
    rmSync(join(directory, "a.cedar"));
    expect(await starts(policies)).toBe(true);
  }
  writeFileSync(join(mine, "limits.toml"), "cpu = 2");
  writeFileSync(join(system, "limits.toml"), "cpu = 3\nsandboxes = 5");
  expect((await policies.current()).ceilings).toMatchObject({ cpu: 2, sandboxes: 5 });
});

test("what is not named *.cedar or limits.toml is no policy", async () => {
  const { store: policies, mine } = store();
  mkdirSync(mine);
  for (const name of [".a.cedar", "a.cedar~", "a.txt", "README"]) writeFileSync(join(mine, name), "garbage");
  expect(await starts(policies)).toBe(true);
});

test("C: a broken file refuses everything with its file and line, until it is mended", async () => {
  const { store: policies, mine } = store();
  mkdirSync(mine);
  const path = join(mine, "a.cedar");
  for (const [text, line] of [
    ["\n\npermit (principal, action, resource);", 3],
    ["garbage", 1],
    ["\u0000".repeat(64), 1],
  ] as const) {
    writeFileSync(path, text);
    const error = await broken(policies);
    expect(error).toBeInstanceOf(PolicyDenied);
    expect(error).toMatchObject({ code: "POLICY_BROKEN", rule: "policy.broken", context: { file: path, line } });
    expect(error.message).toContain(`"${path}" line ${line}`);
  }
  writeFileSync(path, forbidAll);
  expect(await starts(policies)).toBe(false);
});

test.each<[string, (path: string) => void, RegExp]>([
  ["not UTF-8", (path) => writeFileSync(path, Buffer.from([0x2f, 0x2f, 0xff])), /UTF-8/],
  ["too large", (path) => writeFileSync(path, "//".repeat(200_000)), /limit/],
  ["a directory", (path) => mkdirSync(path), /regular file/],
  ["a pipe", (path) => void execFileSync("mkfifo", [path]), /regular file/],
  ["a dangling link", (path) => symlinkSync("/nonexistent/x", path), /ENOENT/],
  ["writable by others", (path) => (writeFileSync(path, forbidAll), chmodSync(path, 0o666)), /others can write/],
])("C: a policy file that is %s refuses everything", async (_what, make, problem) => {
  const { store: policies, mine } = store();
  mkdirSync(mine);
  make(join(mine, "a.cedar"));
  const error = await broken(policies);
  expect(error.code).toBe("POLICY_BROKEN");
  expect(error.message).toMatch(problem);
});

test("C: a policy directory that others can write to, or that is none, refuses everything", async () => {
  const { store: policies, mine } = store();
  mkdirSync(mine);
  chmodSync(mine, 0o777);
  expect((await broken(policies)).message).toContain("others can write");
  rmSync(mine, { recursive: true });
  writeFileSync(mine, "a file");
  expect((await broken(policies)).message).toContain("ENOTDIR");
});
