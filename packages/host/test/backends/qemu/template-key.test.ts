import { describe, expect, it } from "vitest";
import { templateKey, type TemplateInputs } from "../../../src/backends/qemu/template-key.js";

const inputs: TemplateInputs = {
  format: 1,
  imageDigest: "sha256:a",
  kernelSha256: "k",
  initramfsSha256: "i",
  accel: "tcg",
  cpus: 1,
  memoryMb: 512,
  diskMb: 2048,
  cpuModel: "max",
  qemu: { version: "10.0.2", size: 1, mtimeMs: 2 },
  hostCpu: null,
  bootLine: ["a", "b"],
  restoreLine: ["a", "c"],
  warmUp: [["true"]],
};

describe("templateKey", () => {
  it("is the same for equal inputs however they are ordered", () => {
    const reordered = Object.fromEntries(Object.entries(inputs).reverse()) as unknown as TemplateInputs;
    expect(templateKey(reordered)).toBe(templateKey(inputs));
    expect(templateKey(inputs)).toMatch(/^[0-9a-f]{32}$/);
  });

  it("changes with every single input", () => {
    const other: { [K in keyof TemplateInputs]: TemplateInputs[K] | number } = {
      ...{
        format: 2,
        imageDigest: "sha256:b",
        kernelSha256: "l",
        initramfsSha256: "j",
        accel: "kvm",
        cpus: 2,
        memoryMb: 513,
        diskMb: 2049,
      },
      ...{
        cpuModel: "host",
        qemu: { version: "10.0.2", size: 1, mtimeMs: 3 },
        hostCpu: "x",
        bootLine: ["a"],
        restoreLine: [],
        warmUp: [],
      },
    };
    const keys = Object.keys(inputs).map((name) =>
      templateKey({ ...inputs, [name]: other[name as keyof TemplateInputs] }),
    );
    expect(new Set([templateKey(inputs), ...keys]).size).toBe(Object.keys(inputs).length + 1);
  });
});
