import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findEntry, lastEntries } from "../../src/read/entries.js";
import { notes, Scene } from "../fixture/scene.js";

const segmentBytes = 2_000;

describe("A-14 segments", () => {
  it("are linked: the chain goes on across them, and a begin stays open", async () => {
    const scene = new Scene();
    const ids = await scene.write([{ event: "test.begin" }, ...notes(30)], { segmentBytes });
    await scene.write([{ event: "test.end", data: { begin: ids[0] ?? "" } }, ...notes(10)], { segmentBytes });
    const names = readdirSync(scene.directory)
      .filter((name) => name.startsWith("log."))
      .sort();
    expect(names.length).toBeGreaterThan(4);
    expect(names.slice(0, 2)).toEqual(["log.000001.jsonl", "log.000002.jsonl"]);
    const verdict = await scene.verify();
    // The second writer found the first one's begin open: it is closed once, by `interrupted`.
    expect(verdict).toMatchObject({ ok: true, open: 0 });
    const first = JSON.parse(readFileSync(join(scene.directory, "log.000002.jsonl"), "utf8").split("\n")[0] ?? "");
    expect(first).toMatchObject({ event: "chain.segment", data: { segment: 1, open: [{ id: ids[0] }] } });
    expect((await findEntry(scene.directory, ids[0] ?? ""))?.end).toMatchObject({ event: "interrupted" });
    const last = await lastEntries(scene.directory, 25);
    expect(last).toHaveLength(25);
    expect(last.map(({ seq }) => seq)).toEqual(last.map((_entry, at) => (verdict.ok ? verdict.entries : 0) - 24 + at));
  });

  it("are all needed: a missing, swapped, changed or repeated one is detected", async () => {
    const scene = new Scene();
    await scene.write(notes(30), { segmentBytes });
    const path = (n: number): string => join(scene.directory, `log.00000${n}.jsonl`);
    const whole = readFileSync(path(2));
    rmSync(path(2));
    expect(await scene.verify()).toMatchObject({ ok: false, reason: "missing_log" });
    copyFileSync(path(1), path(2));
    expect(await scene.verify()).toMatchObject({
      ok: false,
      reason: "prev_mismatch",
      file: "log.000002.jsonl",
      line: 1,
    });
    writeFileSync(path(2), whole.subarray(0, -1));
    expect(await scene.verify()).toMatchObject({ ok: false, reason: "malformed", file: "log.000002.jsonl" });
    writeFileSync(path(2), whole);
    renameSync(path(1), `${path(1)}.x`);
    renameSync(path(2), path(1));
    renameSync(`${path(1)}.x`, path(2));
    expect(await scene.verify()).toMatchObject({ ok: false, reason: "prev_mismatch", file: "log.000001.jsonl" });
  });

  it("that end where the log begins survive a crash between the two", async () => {
    const scene = new Scene();
    await scene.write([{ event: "test.begin" }, ...notes(3)]);
    renameSync(scene.log, join(scene.directory, "log.000001.jsonl"));
    await scene.write(notes(2));
    expect(await scene.verify()).toMatchObject({ ok: true, entries: 8, open: 0 });
    expect(
      scene
        .lines()
        .map((line) => JSON.parse(line).event)
        .slice(0, 2),
    ).toEqual(["chain.segment", "interrupted"]);
  });
});
