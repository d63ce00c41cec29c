import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { TemplateFiles } from "../../../src/backends/qemu/paths.js";
import type { TemplateInputs } from "../../../src/backends/qemu/template-key.js";
import { TemplateStore } from "../../../src/backends/qemu/template-store.js";

const inputs = { format: 1, imageDigest: "sha256:a" } as TemplateInputs;
const fill = (files: TemplateFiles): Promise<void> => {
  for (const path of [files.ram, files.state, files.disk, files.overlay]) writeFileSync(path, "x");
  return Promise.resolve();
};
const home = (): string => mkdtempSync(join(tmpdir(), "templates-"));

describe("TemplateStore", () => {
  it("makes a template once for everybody who asks at the same time", async () => {
    const store = new TemplateStore(home());
    let made = 0;
    const make = async (files: TemplateFiles): Promise<void> => {
      made++;
      await new Promise((resolve) => setTimeout(resolve, 20));
      await fill(files);
    };
    const templates = await Promise.all(Array.from({ length: 20 }, () => store.ensure(inputs, make)));
    expect(made).toBe(1);
    expect(new Set(templates.map(({ key }) => key)).size).toBe(1);
    expect((await store.find(inputs))?.key).toBe(templates[0]?.key);
  });

  it("leaves nothing when the making fails, and makes it again on the next request", async () => {
    const root = home();
    const store = new TemplateStore(root);
    await expect(store.ensure(inputs, () => Promise.reject(new Error("boot failed")))).rejects.toThrow("boot failed");
    expect(readdirSync(join(root, "templates"))).toEqual([]);
    expect(existsSync((await store.ensure(inputs, fill)).files.ram)).toBe(true);
  });

  it("does not find what a killed making left behind, and sweeps it", async () => {
    const root = home();
    const store = new TemplateStore(root);
    mkdirSync(join(root, "templates", ".making-abc"), { recursive: true });
    writeFileSync(join(root, "templates", ".making-abc", "ram"), "half");
    expect(await store.find(inputs)).toBeUndefined();
    expect(await store.sweep()).toHaveLength(1);
    expect(readdirSync(join(root, "templates"))).toEqual([]);
  });

  it("does not believe a record that names another key", async () => {
    const root = home();
    const store = new TemplateStore(root);
    const { files } = await store.ensure(inputs, fill);
    writeFileSync(files.record, JSON.stringify({ key: "0".repeat(32) }));
    expect(await store.find(inputs)).toBeUndefined();
  });

  it.each(["ram", "state", "disk", "overlay", "record"] as const)(
    "makes a template anew whose %s is cut short or gone",
    async (part) => {
      const root = home();
      const store = new TemplateStore(root);
      for (const harm of [(path: string) => writeFileSync(path, ""), (path: string) => rmSync(path)]) {
        const { files } = await store.ensure(inputs, fill);
        harm(files[part]);
        expect(await store.find(inputs)).toBeUndefined();
        expect((await store.ensure(inputs, fill)).files).toEqual(files);
        expect(await store.find(inputs)).toBeDefined();
        expect(readdirSync(join(root, "templates"))).toHaveLength(1);
      }
    },
  );

  it("lets the next caller make it when the one that was making it has gone", async () => {
    const store = new TemplateStore(home());
    const [first, third] = [new AbortController(), new AbortController()];
    const never = (): Promise<void> =>
      new Promise((_resolve, reject) =>
        first.signal.addEventListener("abort", () => reject(new Error("first is gone"))),
      );
    const gone = store.ensure(inputs, never, first.signal);
    const waiting = store.ensure(inputs, fill, new AbortController().signal);
    const impatient = store.ensure(inputs, fill, third.signal);
    await new Promise((resolve) => setTimeout(resolve, 20));
    third.abort(new Error("third is gone"));
    await expect(impatient).rejects.toThrow("third is gone");
    first.abort();
    await expect(gone).rejects.toThrow("first is gone");
    expect((await waiting).files.ram).toContain("templates");
  });

  it("ends the machine of a making that was killed, and nobody else's", async () => {
    const root = home();
    const directory = join(root, "templates", ".making-abc-1234");
    mkdirSync(directory, { recursive: true });
    const [ours, other] = ["helper-making-abc-1234", "helper-making-abc-1235"].map((name) =>
      spawn("sh", ["-c", "sleep 1000; :", "-name", `guest=${name}`], { stdio: "ignore" }),
    );
    const ended = new Promise((resolve) => ours!.once("exit", (_code, signal) => resolve(signal)));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await new TemplateStore(root).sweep();
    expect(await ended).toBe("SIGKILL");
    expect(other!.exitCode ?? other!.signalCode).toBeNull();
    other!.kill("SIGKILL");
  });

  it("takes a discarded template out of use", async () => {
    const store = new TemplateStore(home());
    const { key } = await store.ensure(inputs, fill);
    await store.discard(key);
    expect(await store.find(inputs)).toBeUndefined();
  });
});
