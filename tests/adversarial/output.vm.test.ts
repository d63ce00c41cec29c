import { setTimeout as sleep } from "node:timers/promises";
import type { CommandResult, Sandbox } from "@mvm/sdk";
import { beforeAll, describe, expect, it } from "vitest";
import { failure, growthMb, root, sh, text, until, useScene } from "../support/scene.js";

const scene = useScene();
const MiB = 2 ** 20;
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await scene.sandbox({ name: "output" });
});

describe("O-01 more output than anybody keeps", () => {
  it(
    "O-01 256 MiB of stdout: counted to the byte, head and tail kept, and the daemon does not grow by more than 32 MiB",
    { timeout: 240_000 },
    async () => {
      const flood = (mb: number) => `printf HEAD; dd if=/dev/zero bs=1M count=${mb} 2>/dev/null; printf TAIL`;
      await sh(sandbox, flood(8));
      let result: CommandResult | undefined;
      const grown = await growthMb(scene.daemon(), async () => {
        result = await sh(sandbox, flood(256), { timeoutSeconds: 200 });
      });
      expect(result).toMatchObject({
        exitCode: 0,
        stdoutBytes: 256 * MiB + 8,
        stdoutTruncated: true,
        stderrTruncated: false,
      });
      expect(Buffer.byteLength(result!.stdout)).toBeLessThanOrEqual(MiB + 4096);
      expect([result!.stdout.slice(0, 8), result!.stdout.slice(-8)]).toEqual(["HEAD\0\0\0\0", "\0\0\0\0TAIL"]);
      expect(grown).toBeLessThan(32);
    },
  );

  it("O-01 streamed output is complete, in order and uncut", async () => {
    let lines = 0;
    let rest = "";
    let wrong = 0;
    const { stdoutBytes } = await sandbox.commands.run(["seq", "1", "300000"], {
      onStdout: (piece: string) => {
        const parts = (rest + piece).split("\n");
        rest = parts.pop()!;
        for (const part of parts) if (Number(part) !== ++lines) wrong++;
      },
    });
    expect([lines, wrong, rest, stdoutBytes]).toEqual([300_000, 0, "", 1_988_895]);
  });
});

describe("O-02 many small writes to both outputs", () => {
  it("O-02 twenty thousand single bytes, alternating: none lost, none mixed up", async () => {
    const script = "$|=1; for (1..10000) { syswrite(STDOUT, 'o'); syswrite(STDERR, 'e') }";
    const result = await sandbox.commands.run(["perl", "-e", script], { timeoutSeconds: 100 });
    expect(result).toMatchObject({ exitCode: 0, stdoutBytes: 10_000, stderrBytes: 10_000, stdoutTruncated: false });
    expect([/^o*$/.test(result.stdout), /^e*$/.test(result.stderr)]).toEqual([true, true]);
  });
});

describe("O-03 a reader that does not read", () => {
  it(
    "O-03 holds up the command, not the daemon and not the others; afterwards everything arrives",
    { timeout: 180_000 },
    async () => {
      let release = () => undefined as void;
      const held = new Promise<void>((resolve) => (release = resolve));
      let bytes = 0;
      let first = true;
      const grown = await growthMb(scene.daemon(), async () => {
        const slow = sandbox.commands.run("dd if=/dev/zero bs=1M count=48 2>/dev/null; echo done > finished", {
          onStdout: async (piece: string) => {
            bytes += piece.length;
            if (!first) return;
            first = false;
            await held;
          },
        });
        await until("the first output came", () => !first);
        for (let round = 0; round < 10; round++) expect(await text(sandbox, "echo alive")).toBe("alive");
        await sleep(1_000);
        expect(await sandbox.files.exists("finished")).toBe(false);
        release();
        expect((await slow).stdoutBytes).toBe(48 * MiB);
      });
      expect(bytes).toBe(48 * MiB);
      expect(await sandbox.files.exists("finished")).toBe(true);
      expect(grown).toBeLessThan(32);
    },
  );

  it(
    "O-03 a client of the plain API that stops reading its connection is held up the same way",
    { timeout: 120_000 },
    async () => {
      const body = { argv: ["sh", "-c", "dd if=/dev/zero bs=1M count=64 2>/dev/null"], stream: true };
      const grown = await growthMb(scene.daemon(), async () => {
        const answer = await scene.api.open("POST", "/v1/sandboxes/output/processes", body);
        answer.response.pause();
        for (let round = 0; round < 10; round++) expect(await text(sandbox, "echo alive")).toBe("alive");
        await sleep(1_500);
        answer.abort();
      });
      expect(grown).toBeLessThan(32);
      await until(
        "the abandoned command is gone",
        async () => (await text(sandbox, "pgrep -c '^dd$' || true")) === "0",
      );
    },
  );

  it("O-09 a callback that throws: the command ends its own way, and the error comes once", async () => {
    let calls = 0;
    const thrown = sandbox.commands.run("for n in 1 2 3; do echo $n; sleep 0.1; done; touch ran-to-the-end", {
      onStdout: () => {
        calls++;
        throw new Error("broken callback");
      },
    });
    await expect(thrown).rejects.toThrow("broken callback");
    expect(calls).toBe(1);
    expect(await sandbox.files.exists("ran-to-the-end")).toBe(true);
  });
});

describe("O-04 bytes that are no text", () => {
  it("O-04 NUL and invalid UTF-8: bytes exact beside text with U+FFFD", async () => {
    const { stdout, stdoutBase64, stdoutBytes } = await sh(sandbox, "printf 'a\\000b\\377\\376\\303\\050'");
    expect([stdout, stdoutBytes]).toEqual(["a\0b\ufffd\ufffd\ufffd(", 7]);
    expect(Buffer.from(stdoutBase64!, "base64").toString("hex")).toBe("610062fffec328");
    const { stdout: clean, stdoutBase64: none } = await sh(sandbox, "printf 'a\\000b\\303\\244'");
    expect([clean, none]).toEqual(["a\0bä", undefined]);
  });

  it("O-04 a character that the limit divides does not become another one", async () => {
    for (const limit of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) {
      const result = await sh(sandbox, "for n in 1 2 3 4 5 6 7 8; do printf '€'; done", { maxOutputBytes: limit });
      expect([limit, result.stdoutBytes, result.stdoutTruncated]).toEqual([limit, 24, true]);
      // Whole euro signs, replacement characters at the cuts and the marker of the cut; no half sign read as another.
      expect([...result.stdout].filter((letter) => letter === "€").length).toBeLessThanOrEqual(Math.floor(limit / 3));
    }
  });

  it("P-11 output that looks like the channel's own frames and sessions is only output", async () => {
    const sync = "\\000mvm-sync\\015\\012\\032\\000\\377v1";
    const frame = "M\\021\\000\\000\\001\\000\\000\\000\\002\\000\\000\\000{}";
    const { stdoutBase64, stdoutBytes, exitCode } = await sh(
      sandbox,
      `for n in 1 2 3; do printf '${sync}${frame}'; printf '{"exit_code":0}\\n' >&2; done; exit 3`,
    );
    expect([stdoutBytes, exitCode]).toEqual([90, 3]);
    expect(Buffer.from(stdoutBase64!, "base64").subarray(0, 16).toString("hex")).toBe(
      "006d766d2d73796e630d0a1a00ff7631",
    );
  });
});

describe("O-06 a child in the background that keeps the output open", () => {
  it("O-06 the command ends with its main process; the child lives on and its late bytes are not attached", async () => {
    const result = await sh(sandbox, "(sleep 2; echo late; echo late > late; sleep 300) & echo early");
    expect(result).toMatchObject({ exitCode: 0, stdout: "early\n", stdoutBytes: 6, timedOut: false });
    await until("the child went on", () => sandbox.files.exists("late"));
    expect(await text(sandbox, "pgrep -c '^sleep$'")).not.toBe("0");
    await sh(sandbox, "pkill sleep");
  });

  it("O-06 a child that floods the output it kept cannot hold the command up", async () => {
    const result = await sh(sandbox, "(while :; do echo noise; sleep 0.01; done) & sleep 0.2; echo early", {
      timeoutSeconds: 20,
    });
    expect(result.timedOut || result.exitCode === 0).toBe(true);
    expect(result.stdout).toContain("early\n");
    await sh(sandbox, "pkill -f noise; pkill sleep", root);
    expect(await text(sandbox, "echo alive")).toBe("alive");
  });
});

describe("O-08 output of a command that does not come to its end", () => {
  it("O-08 at its time limit: what it had written, and the flag", async () => {
    const result = await sh(sandbox, "echo out; echo err >&2; exec sleep 600", { timeoutSeconds: 1 });
    expect(result).toMatchObject({
      timedOut: true,
      exitCode: 124,
      signal: "SIGTERM",
      stdout: "out\n",
      stderr: "err\n",
    });
  });

  it("O-08 killed for memory: what it had written, and the flag", async () => {
    const code = "print('before', flush=True)\nx = []\nwhile True: x.append(bytearray(b'x') * (8 << 20))";
    const result = await sandbox.commands.run(["python3", "-c", code], { timeoutSeconds: 100 });
    expect(result).toMatchObject({
      oomKilled: true,
      exitCode: 137,
      signal: "SIGKILL",
      timedOut: false,
      stdout: "before\n",
    });
  });

  it("O-08 the machine crashes: a streaming caller has had what came before, and is told that the end is unknown", async () => {
    const doomed = await scene.sandbox();
    let seen = "";
    const call = doomed.commands.run(["sh", "-c", "echo before; sleep 1; echo b > /proc/sysrq-trigger; sleep 600"], {
      ...root,
      onStdout: (piece: string) => void (seen += piece),
    });
    expect(await failure(call)).toMatchObject({ name: "OutcomeUnknownError", outcome: "unknown" });
    expect(seen).toBe("before\n");
    await doomed.destroy();
  });
});

describe("O-10 exactly at the limit", () => {
  it("O-10 one byte less, the limit itself, one byte more; for both outputs, and for no output at all", async () => {
    for (const limit of [0, 1, 100, 65_536]) {
      for (const bytes of [limit - 1, limit, limit + 1].filter((count) => count >= 0)) {
        const result = await sh(
          sandbox,
          `head -c ${bytes} /dev/zero | tr '\\0' o; head -c ${bytes} /dev/zero | tr '\\0' e >&2`,
          { maxOutputBytes: limit },
        );
        const cut = bytes > limit;
        expect(result).toMatchObject({
          stdoutBytes: bytes,
          stderrBytes: bytes,
          stdoutTruncated: cut,
          stderrTruncated: cut,
        });
        if (!cut) expect([result.stdout, result.stderr]).toEqual(["o".repeat(bytes), "e".repeat(bytes)]);
        else expect((result.stdout.match(/o+/g) ?? []).join("").length).toBeLessThanOrEqual(limit + 64);
      }
    }
  });
});

describe("P-14 a guest that never reads", () => {
  it(
    "P-14 64 MiB of stdin for a command that does not look at it: bounded, others go on, and the end frees the sender",
    { timeout: 120_000 },
    async () => {
      const grown = await growthMb(scene.daemon(), async () => {
        const deaf = await sandbox.commands.start(["sleep", "600"]);
        const sending = deaf.writeStdin(Buffer.alloc(64 * MiB)).then(
          () => "written",
          (error: Error) => error.name,
        );
        for (let round = 0; round < 10; round++) expect(await text(sandbox, "echo alive")).toBe("alive");
        expect(await Promise.race([sending, sleep(500, "still sending")])).toBe("still sending");
        await deaf.kill("SIGKILL");
        expect(await sending).toMatch(/OutcomeUnknownError|SandboxUnavailable|TransportError/);
        expect(await deaf.wait().catch((error: Error) => error)).toBeDefined();
      });
      expect(grown).toBeLessThan(32);
    },
  );

  it("P-14 T-12 a command that ends without reading its stdin has its own result", async () => {
    const result = await sandbox.commands.run(["sh", "-c", "head -c 10; exit 5"], {
      stdin: Buffer.alloc(8 * MiB, "i"),
    });
    expect(result).toMatchObject({ exitCode: 5, stdout: "i".repeat(10) });
  });
});
