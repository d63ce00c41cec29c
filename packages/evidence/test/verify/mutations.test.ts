import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSigningKey } from "../../src/keys/key-files.js";
import { headText, parseHead, signHead } from "../../src/chain/head.js";
import { notes, Scene, seed } from "../fixture/scene.js";

const edits: readonly (readonly [string, (bytes: Buffer, at: number) => Buffer])[] = [
  ...[0x01, 0x20, 0x80].map((mask) => [`^${mask}`, (bytes: Buffer, at: number) => flipped(bytes, at, mask)] as const),
  ["delete", (bytes, at) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)])],
  ["insert", (bytes, at) => Buffer.concat([bytes.subarray(0, at), Buffer.from("0"), bytes.subarray(at)])],
];

function flipped(bytes: Buffer, at: number, mask: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ mask;
  return copy;
}

describe("a changed history", () => {
  it("A-01 is detected for every byte of the log and every edit, at the right line", { timeout: 120_000 }, async () => {
    const scene = new Scene();
    await scene.write(notes(3));
    const whole = readFileSync(scene.log);
    let line = 1;
    let tried = 0;
    for (let at = 0; at < whole.byteLength; at++) {
      for (const [name, edit] of edits) {
        writeFileSync(scene.log, edit(whole, at));
        const verdict = await scene.verify();
        expect(verdict.ok, `${name} at ${at}`).toBe(false);
        const blamed = verdict.ok ? null : verdict.line;
        // A line feed belongs to the line before and to the one after.
        const right = whole[at] === 0x0a ? [line, line + 1, null] : [line];
        // Of a cut last line nothing is left that could be blamed.
        if (line === 3) right.push(null, 4);
        expect(right, `${name} at ${at}`).toContain(blamed);
        tried += 1;
      }
      if (whole[at] === 0x0a) line += 1;
    }
    console.log(`edits of the log detected: ${tried} of ${tried}`);
    expect(tried).toBe(whole.byteLength * edits.length);
  });

  it("A-01 is detected for every byte of the head and every edit", async () => {
    const scene = new Scene();
    await scene.write(notes(2));
    const whole = readFileSync(scene.head);
    for (let at = 0; at < whole.byteLength; at++) {
      for (const [name, edit] of edits) {
        writeFileSync(scene.head, edit(whole, at));
        expect(await scene.verify(), `${name} at ${at}`).toMatchObject({ ok: false, reason: "head_signature" });
      }
    }
  });

  it("A-02 is detected when an entry is deleted, doubled, swapped or inserted", async () => {
    const scene = new Scene();
    await scene.write(notes(6));
    const lines = scene.lines();
    const swap = (at: number): string[] =>
      lines.map((line, n) => lines[n === at ? at + 1 : n === at + 1 ? at : n] ?? line);
    for (let at = 0; at < lines.length; at++) {
      const doubled = [...lines.slice(0, at + 1), ...lines.slice(at)];
      const changed: [string, string[], number | null][] = [
        ["deleted", lines.filter((_line, n) => n !== at), at === 5 ? null : at + 1],
        ["doubled", doubled, at + 2],
        ["inserted", [...lines.slice(0, at), lines[5 - at] ?? "", ...lines.slice(at)], at + 1],
      ];
      if (at < 5) changed.push(["swapped", swap(at), at + 1]);
      for (const [name, text, line] of changed) {
        if (text.join() === lines.join()) continue;
        writeFileSync(scene.log, `${text.join("\n")}\n`);
        const verdict = await scene.verify();
        expect(verdict, `${name} ${at}`).toMatchObject({ ok: false });
        if (name !== "inserted") expect(verdict, `${name} ${at}`).toMatchObject({ line });
      }
    }
  });

  it("A-03 is detected when the end is cut off after any entry, or the log is gone", async () => {
    const scene = new Scene();
    await scene.write(notes(5));
    const lines = scene.lines();
    for (let kept = 0; kept < 5; kept++) {
      writeFileSync(
        scene.log,
        lines
          .slice(0, kept)
          .map((line) => `${line}\n`)
          .join(""),
      );
      expect(await scene.verify()).toMatchObject({ ok: false, reason: "truncated", entries: kept });
    }
    rmSync(scene.log);
    expect(await scene.verify()).toMatchObject({ ok: false, reason: "missing_log" });
    writeFileSync(scene.log, `${lines.join("\n")}\n`);
    expect(await scene.verify()).toMatchObject({ ok: true, entries: 5 });
    rmSync(scene.head);
    expect(await scene.verify()).toMatchObject({ ok: false, reason: "head_signature" });
  });

  it("an older head and its older log verify apart from each other only with the newer half", async () => {
    const scene = new Scene();
    await scene.write(notes(3));
    const old = { log: readFileSync(scene.log), head: readFileSync(scene.head) };
    await scene.write(notes(2));
    const log = readFileSync(scene.log);
    writeFileSync(scene.head, old.head);
    expect(await scene.verify()).toMatchObject({ ok: false, reason: "head_signature", line: 4 });
    writeFileSync(scene.log, old.log);
    // A whole older state: only somebody who remembers a newer head can tell. Documented.
    expect(await scene.verify()).toMatchObject({ ok: true, entries: 3 });
    writeFileSync(scene.log, log);
  });

  it("A-15 E-02 is detected when it is signed with another key", async () => {
    const scene = new Scene();
    await scene.write(notes(3));
    const other = new Scene();
    const key = openSigningKey(other.layout.keys, "audit");
    const head = parseHead(readFileSync(scene.head, "utf8"));
    const { sig: _sig, v: _v, ...facts } = head;
    for (const keyId of [key.id, head.key_id]) {
      writeFileSync(scene.head, headText(signHead({ ...facts, key_id: keyId }, key.key)));
      expect(await scene.verify()).toMatchObject({ ok: false, reason: "head_signature" });
    }
  });

  it("A-13 does not take another root's or tenant's chain for this one", async () => {
    const [mine, other] = [new Scene(), new Scene()];
    await mine.write(notes(2));
    await other.write(notes(2));
    rmSync(mine.directory, { recursive: true });
    cpSync(other.directory, mine.directory, { recursive: true });
    expect(await mine.verify()).toMatchObject({ ok: false, reason: "head_signature" });
    const log = await other.open();
    await log.append("second", { event: "test.note", actor: { uid: 0, pid: 1 } });
    await log.close();
    expect(await other.verify(join(other.layout.audit, "second"))).toMatchObject({
      ok: false,
      reason: "head_signature",
    });
  });

  it("an empty history is neither good nor bad", async () => {
    const scene = new Scene();
    await (await scene.open()).close();
    expect(await scene.verify()).toEqual({
      ok: true,
      tenant: "local",
      entries: 0,
      head: null,
      empty: true,
      open: 0,
      clock_steps: 0,
      key_id: null,
    });
  });

  it(`A-21 never throws and never accepts random damage (seed ${seed})`, { timeout: 60_000 }, async () => {
    const scene = new Scene();
    await scene.write(notes(4));
    const files = { log: readFileSync(scene.log), head: readFileSync(scene.head) };
    let state = seed;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    for (let round = 0; round < 1_000; round++) {
      const name = random(3) === 0 ? "head" : "log";
      let bytes = Buffer.from(files[name]);
      for (let edit = random(4); edit >= 0; edit--) {
        const [from, length] = [random(bytes.byteLength), random(40)];
        const piece = Buffer.from(bytes.subarray(random(bytes.byteLength)).subarray(0, length));
        bytes = Buffer.concat([bytes.subarray(0, from), piece, bytes.subarray(from + random(40))]);
      }
      writeFileSync(scene[name], bytes);
      const verdict = await scene.verify();
      expect(verdict.ok, `round ${round}`).toBe(bytes.equals(files[name]));
      writeFileSync(scene[name], files[name]);
    }
  });
});
