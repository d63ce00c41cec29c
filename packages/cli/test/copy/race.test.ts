import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CopyBudget, defaultCopyLimits } from "../../src/copy/budget.js";
import { copyIn } from "../../src/copy/copy-in.js";
import { copyOut } from "../../src/copy/copy-out.js";
import { destination } from "../../src/copy/destination.js";
import { openPlace } from "../../src/copy/host-place.js";
import { ProtectedSources } from "../../src/copy/protected-sources.js";
import { MemoryGuest } from "./memory-guest.js";

const wantedSteps = Number(process.env["MVM_RACE_STEPS"] ?? 1000);

/** Exchanges two names as fast as the kernel can. */
const racer = `
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
a, b = sys.argv[1].encode(), sys.argv[2].encode()
print("ready", flush=True)
while True:
    libc.renameat2(-100, a, -100, b, 2)
`;

async function whileRacing(a: string, b: string, step: () => Promise<void>): Promise<void> {
  const child = spawn("python3", ["-c", racer, a, b], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await new Promise((resolve) => child.stdout.once("data", resolve));
    for (let steps = 0; steps < wantedSteps; steps++) await step();
  } finally {
    child.kill("SIGKILL");
  }
}

test("copying out never writes through a directory that is exchanged for a link", { timeout: 600_000 }, async () => {
  const base = mkdtempSync(join(tmpdir(), "mvmctl-race-"));
  const outside = join(base, "outside");
  mkdirSync(outside);
  mkdirSync(join(base, "dest/tree/sub"), { recursive: true });
  symlinkSync(outside, join(base, "dest/tree/swap"));
  const guest = new MemoryGuest({
    type: "directory",
    children: [{ name: "sub", type: "directory", children: [{ name: "x", type: "file", content: "evil" }] }],
  });
  const outcomes = { copied: 0, refused: 0 };
  await whileRacing(join(base, "dest/tree/sub"), join(base, "dest/tree/swap"), async () => {
    try {
      using place = destination(join(base, "dest"), "tree");
      const shared = {
        guest,
        budget: new CopyBudget(defaultCopyLimits),
        signal: new AbortController().signal,
        umask: 0o022,
      };
      await copyOut("", MemoryGuest.entry({ name: "tree", type: "directory" }), place, shared);
      outcomes.copied++;
    } catch {
      outcomes.refused++;
    }
    expect(readdirSync(outside)).toEqual([]);
  });
  console.log(`copy out: ${outcomes.copied} copied, ${outcomes.refused} refused, 0 escapes`);
  expect(Math.min(outcomes.copied, outcomes.refused)).toBeGreaterThan(0);
});

test("copying in never reads through a directory that is exchanged for a link", { timeout: 600_000 }, async () => {
  const base = mkdtempSync(join(tmpdir(), "mvmctl-race-"));
  mkdirSync(join(base, "secret"));
  writeFileSync(join(base, "secret/x"), "SECRET");
  mkdirSync(join(base, "src/sub"), { recursive: true });
  writeFileSync(join(base, "src/sub/x"), "public");
  symlinkSync(join(base, "secret"), join(base, "src/swap"));
  const protectedSources = new ProtectedSources(join(base, "state"), []);
  let read = 0;
  await whileRacing(join(base, "src/sub"), join(base, "src/swap"), async () => {
    const guest = new MemoryGuest();
    using place = openPlace(join(base, "src"));
    await copyIn(place, "/in", {
      guest,
      recursive: true,
      budget: new CopyBudget(defaultCopyLimits),
      signal: new AbortController().signal,
      protectedSources,
    }).catch(() => undefined);
    for (const bytes of guest.written.values()) {
      read++;
      expect(bytes.toString()).toBe("public");
    }
  });
  console.log(`copy in: ${wantedSteps} steps, ${read} files read, 0 escapes`);
  expect(read).toBeGreaterThan(0);
  expect(readFileSync(join(base, "secret/x"), "utf8")).toBe("SECRET");
});
