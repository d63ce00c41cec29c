import { defineConfig } from "vitest/config";

/** A machine that CI shares can stall for longer than any sensible patience: once more there, never at a desk. */
const retriesInCi = process.env["CI"] === "true" ? 1 : 0;

/**
 * Fast tests need no machine; VM tests boot real ones. Much of a VM test is waiting (for deadlines, for an end, for a guest),
 * so two files at a time fill the two cores of the smallest host this runs on.
 */
export default defineConfig({
  test: {
    reporters: ["default"],
    globalSetup: "tests/support/temporary-directory.ts",
    projects: [
      {
        test: {
          name: "fast",
          include: ["packages/*/test/**/*.test.ts", "tests/fast/**/*.test.ts"],
          exclude: ["**/*.vm.test.ts", "**/node_modules/**"],
          testTimeout: 30_000,
          hookTimeout: 30_000,
          retry: retriesInCi,
        },
      },
      {
        test: {
          name: "vm",
          include: ["packages/*/test/**/*.vm.test.ts", "tests/**/*.vm.test.ts"],
          exclude: ["**/node_modules/**"],
          maxWorkers: 2,
          // Under emulation a guest is 5 to 8 times slower; a test that needs more than this hangs.
          testTimeout: 120_000,
          hookTimeout: 600_000,
          retry: retriesInCi,
        },
      },
    ],
  },
});
