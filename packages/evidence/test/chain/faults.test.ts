import { execFileSync } from "node:child_process";
import { appendFileSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { realDisk, type Disk } from "../../src/chain/disk.js";
import { actor, notes, Scene, tenant } from "../fixture/scene.js";
import { runWriter } from "../fixture/writer-process.js";

const note = { event: "test.note", actor };

/** The real disk, of which one operation fails once. */
function failing(operation: keyof Disk, code: string, when: number): Disk {
  let calls = 0;
  const fail = (): void => {
    calls += 1;
    if (calls === when) throw Object.assign(new Error(`${code}: injected`), { code });
  };
  return new Proxy(realDisk, {
    get: (disk, name: keyof Disk) =>
      name !== operation
        ? disk[name]
        : (...args: never[]) => {
            if (name !== "datasync" && name !== "prepare") {
              fail();
              return (disk[name] as (...all: never[]) => unknown)(...args);
            }
            return (async () => {
              await (disk[name] as (...all: never[]) => Promise<void>)(...args);
              fail();
            })();
          },
  });
}

describe("a disk that fails", () => {
  it("A-07 poisons the writer after a failed sync: trying again would prove nothing", async () => {
    const scene = new Scene();
    // The first sync is that of the start.
    const log = await scene.open({ disk: failing("datasync", "EIO", 3) });
    await log.append(tenant, note);
    await expect(log.append(tenant, note)).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
    for (let again = 0; again < 3; again++) {
      await expect(log.append(tenant, note)).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
    }
    expect(await log.problem(tenant)).not.toBeNull();
    await log.close();
    await scene.write([{}]);
    expect(await scene.verify()).toMatchObject({ ok: true });
  });

  it.each([
    ["append", "EIO"],
    ["prepare", "EIO"],
    ["publish", "EROFS"],
  ] as const)("A-07 refuses everything after %s failed with %s", async (operation, code) => {
    const scene = new Scene();
    const log = await scene.open({ disk: failing(operation, code, 3) });
    await log.append(tenant, note);
    const results = await Promise.allSettled([1, 2, 3].map(async () => log.append(tenant, note)));
    const later = await Promise.allSettled([log.append(tenant, note), log.append(tenant, note)]);
    expect([...results, ...later].filter(({ status }) => status === "rejected").length).toBeGreaterThan(1);
    expect(later.at(-1)).toMatchObject({ status: "rejected", reason: { code: "AUDIT_UNAVAILABLE" } });
    await log.close();
    await scene.write([{}]);
    expect(await scene.verify()).toMatchObject({ ok: true });
  });

  it.each(["append", "prepare", "publish"] as const)(
    "A-08 takes back an entry for which %s found no room, and goes on when there is room again",
    async (operation) => {
      const scene = new Scene();
      const log = await scene.open({ disk: failing(operation, "ENOSPC", 3) });
      const tries: string[] = [];
      for (let n = 0; n < 6; n++) {
        await log.append(tenant, { ...note, data: { n } }).then(
          () => tries.push("ok"),
          (error: { code: string }) => tries.push(error.code),
        );
      }
      expect(tries.filter((each) => each === "ok")).toHaveLength(5);
      expect(tries.filter((each) => each === "AUDIT_UNAVAILABLE")).toHaveLength(1);
      await log.close();
      expect(await scene.verify()).toMatchObject({ ok: true, entries: 5 });
    },
  );

  it(
    "A-08 refuses on a disk that is really full, but what is reserved; and the chain stays whole",
    { timeout: 60_000 },
    async () => {
      const scene = new Scene();
      const disk = join(scene.home, "small");
      mkdirSync(disk);
      const inside = [
        `mount -t tmpfs -o size=352k none ${disk}`,
        `${'"$@"'}`,
        `cp -r ${disk}/audit ${disk}/keys ${scene.home}/`,
      ].join(" && ");
      const { lines, stderr } = await runWriter([disk, 400], {
        env: { MVM_TEST_RESERVED_FROM: "350" },
        wrap: ["unshare", "-rm", "--propagation", "private", "sh", "-ec", inside, "sh"],
      });
      expect(lines.at(-1), stderr).toBe("done");
      const entries = lines.slice(0, -1);
      const taken = entries.map((line) => line.startsWith("evt_"));
      const acknowledged = taken.filter(Boolean).length;
      expect(taken.indexOf(false)).toBeGreaterThan(20);
      expect(taken.slice(300, 350), "the disk is full for what is not reserved").not.toContain(true);
      expect(taken.slice(350), "and not for what is").not.toContain(false);
      expect(entries.filter((line) => line.startsWith("refused AUDIT_UNAVAILABLE")).length).toBe(400 - acknowledged);
      expect(lines.join()).toContain("the disk is full");
      rmSync(disk, { recursive: true, force: true });
      expect(await scene.verify()).toMatchObject({ ok: false, reason: "dangling_begin", entries: acknowledged });
    },
  );

  it("A-08 refuses when the file may not grow, and the chain stays whole", { timeout: 60_000 }, async () => {
    const scene = new Scene();
    const { lines, stderr } = await runWriter([scene.home, 60], {
      wrap: ["bash", "-c", 'trap "" XFSZ; ulimit -f 8; exec "$@"', "bash"],
    });
    expect(lines.at(-1), stderr).toBe("done");
    expect(lines.join()).toContain("the file may not grow further");
    const acknowledged = lines.filter((line) => line.startsWith("evt_")).length;
    await scene.write([{}]);
    const verdict = await scene.verify();
    expect(verdict).toMatchObject({ ok: true });
    expect(scene.lines().filter((line) => JSON.parse(line).event.startsWith("test."))).toHaveLength(acknowledged + 1);
  });
});

describe("A-19 a log that is not the writer's own", () => {
  it.each([
    ["a link", (log: string, elsewhere: string) => (writeFileSync(elsewhere, ""), symlinkSync(elsewhere, log))],
    ["a second name", (log: string, elsewhere: string) => (writeFileSync(elsewhere, ""), linkSync(elsewhere, log))],
    ["a pipe", (log: string) => void execFileSync("mkfifo", [log])],
    ["a directory", (log: string) => void mkdirSync(log)],
  ])("is refused: %s", async (_what, make) => {
    const scene = new Scene();
    mkdirSync(scene.directory);
    await scene.write([]);
    rmSync(scene.log);
    make(scene.log, join(scene.home, "elsewhere"));
    const log = await scene.open();
    await expect(log.append(tenant, note)).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
    await log.close();
  });

  it("is refused when it is moved or written to behind the writer's back", async () => {
    const scene = new Scene();
    const log = await scene.open();
    await log.append(tenant, note);
    renameSync(scene.log, `${scene.log}.moved`);
    await expect(log.append(tenant, note)).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
    await log.close();
    renameSync(`${scene.log}.moved`, scene.log);
    const next = await scene.open();
    await next.append(tenant, note);
    appendFileSync(scene.log, "x");
    await expect(next.append(tenant, note)).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
    await next.close();
  });
});

describe("several writers", () => {
  it(
    "A-09 take turns: one chain, no fork, also when the one whose turn it is gets killed",
    { timeout: 120_000 },
    async () => {
      const scene = new Scene();
      const env = { MVM_TEST_WAIT: "100" };
      const killed = runWriter([scene.home, 100_000], { env, killAfterLines: 50 });
      const others = [1, 2, 3, 4].map(() => runWriter([scene.home, 100], { env }));
      const ends = await Promise.all([killed, ...others]);
      expect(ends.map(({ end }) => end)).toEqual(["SIGKILL", 0, 0, 0, 0]);
      await (await scene.open()).close();
      expect(await scene.verify()).toMatchObject({ ok: true });
      const ids = new Set(scene.lines().map((line) => JSON.parse(line).id));
      for (const { lines } of ends) {
        for (const line of lines) if (line.startsWith("evt_")) expect(ids.has(line)).toBe(true);
      }
    },
  );

  it("cannot interleave: the second is refused while the first lives", async () => {
    const scene = new Scene();
    const first = await scene.open();
    await expect(scene.open()).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
    await first.append(tenant, note);
    await first.close();
    await scene.write(notes(1));
    expect(await scene.verify()).toMatchObject({ ok: true, entries: 2 });
  });
});
