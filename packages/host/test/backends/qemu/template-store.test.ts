import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
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

  it("takes a discarded template out of use", async () => {
    const store = new TemplateStore(home());
    const { key } = await store.ensure(inputs, fill);
    await store.discard(key);
    expect(await store.find(inputs)).toBeUndefined();
  });
});
