import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeHome, root, stopDaemon } from "../support/home.js";

const run = promisify(execFile);
const bundle = join(root, "packages", "cli", "dist", "mvmctl.js");
let directory: string;
let home: string;
let packer: ReturnType<typeof makeHome>;

const mvmctl = (args: string[], env: Record<string, string> = {}) =>
  run(process.execPath, [bundle, ...args], { env: { ...process.env, MVM_HOME: home, ...env } });

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "mvm-release-"));
  home = join(directory, "home");
  execFileSync("openssl", ["genpkey", "-algorithm", "ed25519", "-out", join(directory, "release.pem")]);
  const args = ["release", "pack", join(directory, "usb"), "--key", join(directory, "release.pem"), "--json"];
  packer = makeHome();
  const { stdout } = await mvmctl([...args, "--image", "python"], { MVM_HOME: packer.home });
  writeFileSync(join(directory, "release.pub"), (JSON.parse(stdout) as { public_key: string }).public_key);
});
afterAll(() => {
  packer.remove();
  stopDaemon(home);
  rmSync(directory, { recursive: true, force: true });
});

it("an empty state root is set up from the folder, and its agent and image run a command", async () => {
  const from = ["--from", join(directory, "usb"), "--key", join(directory, "release.pub")];
  await mvmctl(["setup", ...from]);
  const setup = JSON.parse(readFileSync(join(home, "setup.json"), "utf8")) as { image: string };
  expect(setup.image).toBe("python");
  const [agent] = readdirSync(join(home, "agents"));
  stopDaemon(home);
  const released = { MVM_AGENT: join(home, "agents", agent!) };
  const { stdout } = await mvmctl(["run", "--", "sh", "-c", "echo $((6*7))"], released);
  expect(stdout).toBe("42\n");
  // Nothing was built: what an image is built with leaves its log.
  expect(readdirSync(join(home, "logs")).filter((name) => /^(image|kernel)/.test(name))).toEqual([]);
  // What its packer has signed of the image holds here, by its packer's key.
  const key = join(packer.home, "keys", "receipt.pub");
  expect((await mvmctl(["image", "verify", "python", "--key", key])).stdout).toContain("verified");
  await expect(mvmctl(["image", "verify", "python"])).rejects.toMatchObject({ code: 65 });
  // Again, from the same place: everything is there already.
  await mvmctl(["setup", ...from]);
});

it("options of a release without one, and a release without a key, are refused before anything is touched", async () => {
  for (const args of [
    ["setup", "--key", "release.pub"],
    ["setup", "--from", join(directory, "usb")],
  ]) {
    await expect(mvmctl(args)).rejects.toMatchObject({ code: 64, stderr: expect.stringMatching(/INVALID_ARGUMENT/) });
  }
});
