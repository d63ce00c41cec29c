import { createPublicKey } from "node:crypto";
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { openSigningKey } from "../../src/keys/key-files.js";
import { envelopeText, signStatement } from "../../src/envelope/envelope.js";
import { verifyReceipt } from "../../src/receipt/verify.js";
import { statement } from "../fixture/receipt.js";
import { Scene, seed } from "../fixture/scene.js";

const script = fileURLToPath(new URL("independent.py", import.meta.url));
const cache = fileURLToPath(new URL("../../../../node_modules/.cache/", import.meta.url));
const environment = join(cache, "securesystemslib-1.6");
const python = join(environment, "bin/python");

/** A Python of its own with securesystemslib, made once for a checkout. Fails with pip's words when it cannot be had. */
async function ensurePython(): Promise<void> {
  if (existsSync(python)) return;
  mkdirSync(cache, { recursive: true });
  const unfinished = `${environment}.${process.pid}`;
  const run = promisify(execFile);
  try {
    await run("python3", ["-m", "venv", unfinished]);
    await run(join(unfinished, "bin/python"), ["-m", "pip", "install", "--quiet", "securesystemslib[crypto]==1.6.*"]);
    renameSync(unfinished, environment);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    const { stderr = "" } = error as { stderr?: string };
    throw new Error(`Cannot get securesystemslib from pip: ${(error as Error).message}\n${stderr}`);
  }
}

function verdictsOf(pem: string, keyId: string, envelopes: readonly string[]): Promise<Record<string, unknown>[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, [script, pem, keyId], { stdio: ["pipe", "pipe", "inherit"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0
        ? resolve(
            text
              .trim()
              .split("\n")
              .map((line) => JSON.parse(line)),
          )
        : reject(new Error(`exit ${code}`)),
    );
    child.stdin.end(`${envelopes.join("\n")}\n`);
  });
}

describe("an implementation that is not ours", () => {
  beforeAll(ensurePython, 300_000);

  it(
    `E-10 gives the same verdict about every receipt and every forgery (seed ${seed})`,
    { timeout: 120_000 },
    async () => {
      const scene = new Scene();
      const key = openSigningKey(scene.layout.keys, "receipt");
      const stranger = openSigningKey(new Scene().layout.keys, "receipt");
      const good = [
        statement(),
        statement({ audit_seq: 9, observed: { ...statement().predicate.observed, timed_out: true } }),
      ];
      const genuine = good.map((each) => envelopeText(signStatement(each, key)));
      const forged = envelopeText(signStatement(statement(), stranger)).replaceAll(stranger.id, key.id);
      const whole = JSON.parse(genuine[0] ?? "") as { payload: string; signatures: { keyid: string; sig: string }[] };
      let state = seed;
      const random = (below: number): number => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return (state >>> 8) % below;
      };
      const damaged = (base64: string): string => {
        const bytes = Buffer.from(base64, "base64");
        const at = random(bytes.byteLength);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        return bytes.toString("base64");
      };
      const mutants = Array.from({ length: 1_000 }, (_each, n) => {
        const [signature] = whole.signatures;
        return JSON.stringify(
          n % 2 === 0
            ? { ...whole, payload: damaged(whole.payload) }
            : { ...whole, signatures: [{ ...signature, sig: damaged(signature?.sig ?? "") }] },
        );
      });
      const all = [...genuine, forged, ...mutants];
      const theirs = await verdictsOf(join(scene.layout.keys, "receipt.pub"), key.id, all);
      const ours = all.map((text) => verifyReceipt(Buffer.from(text), [createPublicKey(key.key)]).ok);
      expect(theirs.map(({ ok }) => ok)).toEqual(ours);
      expect(ours.slice(0, 3)).toEqual([true, true, false]);
      expect(ours.filter(Boolean)).toHaveLength(2);
      expect(theirs[0]).toMatchObject({ ok: true, run_id: statement().predicate.run_id });
    },
  );
});
