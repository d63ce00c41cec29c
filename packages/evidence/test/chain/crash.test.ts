import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { realDisk } from "../../src/chain/disk.js";
import { ChainWriter } from "../../src/chain/writer.js";
import { openSigningKey } from "../../src/keys/key-files.js";
import { actor, notes, Scene, tenant } from "../fixture/scene.js";
import { runWriter } from "../fixture/writer-process.js";

describe("a crash", () => {
  it(
    "A-05 at every byte of an append loses no acknowledged entry and breaks no link",
    { timeout: 60_000 },
    async () => {
      const scene = new Scene();
      await scene.write([{ event: "test.begin" }, ...notes(1)]);
      const before = { log: readFileSync(scene.log), head: readFileSync(scene.head) };
      await scene.write(notes(1));
      const added = readFileSync(scene.log).subarray(before.log.byteLength);
      const key = openSigningKey(scene.layout.keys, "audit");
      for (let at = 0; at <= added.byteLength; at++) {
        rmSync(scene.directory, { recursive: true });
        mkdirSync(scene.directory);
        writeFileSync(scene.head, before.head);
        writeFileSync(scene.log, Buffer.concat([before.log, added.subarray(0, at)]));
        const { directory, layout } = scene;
        const writer = await ChainWriter.open({
          ...{ directory, tenant, key, oldKeys: [], keys: layout.keys, disk: realDisk, self: actor },
        });
        await writer.close();
        expect(await scene.verify(), `after ${at} bytes`).toMatchObject({ ok: true, open: 0 });
        const events = scene.lines().map((line) => JSON.parse(line));
        expect(readFileSync(scene.log).subarray(0, before.log.byteLength).equals(before.log)).toBe(true);
        const part = added.subarray(0, at);
        const torn = part.subarray(part.lastIndexOf(0x0a) + 1);
        const unsigned = part.filter((byte) => byte === 0x0a).byteLength;
        const notes = events
          .slice(2 + unsigned)
          .map(({ event, data }) => [event, data.torn_bytes, data.unsigned_entries]);
        expect(notes.slice(0, 1)).toEqual(
          at === 0 ? [["interrupted", undefined, undefined]] : [["chain.recovered", torn.byteLength, unsigned]],
        );
        const aside = readdirSync(directory).filter((name) => name.startsWith("torn-"));
        expect(aside.map((name) => readFileSync(join(directory, name)).equals(torn))).toEqual(
          torn.byteLength > 0 ? [true] : [],
        );
      }
    },
  );

  it("A-05 A-06 A-17 at every operation on the disk, also while a segment is begun", { timeout: 120_000 }, async () => {
    let died = 0;
    for (let at = 1; ; at++) {
      const scene = new Scene();
      const segmentBytes = 1_200;
      const first = await runWriter([scene.home, 8, at, segmentBytes]);
      const acknowledged = first.lines.filter((line) => line.startsWith("evt_"));
      // The next writer may die at the same step of its repair; the one after that must still find order.
      if (at % 3 === 0) await runWriter([scene.home, 0, (at % 6) + 1, segmentBytes]);
      const last = await runWriter([scene.home, 1, 0, segmentBytes]);
      expect(last.lines.at(-1), last.stderr).toBe("done");
      const verdict = await scene.verify();
      expect(verdict, `died at operation ${at}`).toMatchObject({ ok: false, reason: "dangling_begin" });
      await (await scene.open()).close();
      const after = await scene.verify();
      if (!after.ok) console.log(after, readdirSync(scene.directory), readFileSync(scene.head, "utf8"));
      expect(after, `died at operation ${at}`).toMatchObject({ ok: true, open: 0 });
      const text = readdirSync(scene.directory)
        .map((name) => readFileSync(join(scene.directory, name), "utf8"))
        .join("");
      for (const id of acknowledged) expect(text).toContain(id);
      if (first.lines.at(-1) === "done") break;
      expect(first.end).toBe("SIGKILL");
      died += 1;
    }
    console.log(`operations survived: K=${died}`);
    expect(died).toBeGreaterThan(30);
  });

  it("A-17 closes every begin without an end, once", async () => {
    const scene = new Scene();
    const [first] = await scene.write([{ event: "run.begin", runId: "run_01m832z3wcghz4wy9gfr86xdmm" }]);
    expect(await scene.verify()).toMatchObject({ ok: false, reason: "dangling_begin" });
    for (let start = 0; start < 3; start++) await (await scene.open()).close();
    const entries = scene.lines().map((line) => JSON.parse(line));
    expect(entries).toHaveLength(2);
    expect(entries[1]).toMatchObject({
      event: "interrupted",
      run_id: "run_01m832z3wcghz4wy9gfr86xdmm",
      data: { begin: first, event: "run.begin" },
    });
    expect(await scene.verify()).toMatchObject({ ok: true, open: 0 });
  });

  it("does not repair what a crash cannot have done", async () => {
    const scene = new Scene();
    await scene.write(notes(3));
    const log = readFileSync(scene.log);
    const head = readFileSync(scene.head);
    const damage: [string, () => void][] = [
      ["a cut end", () => writeFileSync(scene.log, log.subarray(0, -1))],
      ["a changed entry", () => writeFileSync(scene.log, log.toString().replace("entry 1", "entry 9"))],
      ["a changed last entry", () => writeFileSync(scene.log, log.toString().replace("entry 2", "entry 9"))],
      ["no log", () => rmSync(scene.log)],
      ["no head", () => rmSync(scene.head)],
      ["another head", () => writeFileSync(scene.head, head.toString().replace('"size":3', '"size":2'))],
    ];
    for (const [what, apply] of damage) {
      apply();
      const writer = await scene.open();
      await expect(writer.append(tenant, { event: "test.note", actor }), what).rejects.toMatchObject({
        code: "AUDIT_UNAVAILABLE",
        outcome: "not_started",
      });
      await writer.close();
      writeFileSync(scene.log, log);
      writeFileSync(scene.head, head);
    }
    expect(await scene.verify()).toMatchObject({ ok: true, entries: 3 });
  });

  it("keeps what was written behind the head, and says so", async () => {
    const scene = new Scene();
    await scene.write(notes(1));
    copyFileSync(scene.head, `${scene.head}.old`);
    await scene.write(notes(2));
    copyFileSync(`${scene.head}.old`, scene.head);
    appendFileSync(scene.log, "not an entry\n");
    await (await scene.open()).close();
    expect(await scene.verify()).toMatchObject({ ok: true, entries: 4 });
    expect(JSON.parse(scene.lines().at(-1) ?? "")).toMatchObject({
      event: "chain.recovered",
      data: { unsigned_entries: 2, torn_bytes: 13 },
    });
    expect(existsSync(`${scene.head}.mvm-tmp`)).toBe(false);
  });
});
