import { createHash, randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { Sandbox, type SandboxError } from "@mvm/sdk";
import { beforeAll, describe, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { machinesOf } from "../support/home.js";
import { failure, root, sh, text, until, useScene, verdict } from "../support/scene.js";

const scene = useScene();
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await scene.sandbox({ name: "timeouts" });
});

/** Processes of the guest whose command line matches; the searching shell itself does not. */
async function running(pattern: string): Promise<number> {
  const found = await text(
    sandbox,
    `grep -lsa '${pattern.replace(/^(.)/, "[$1]")}' /proc/[0-9]*/cmdline | wc -l`,
    root,
  );
  return Number(found);
}

describe("T-01 … T-04 a time limit ends everything the command started", () => {
  it("T-01 a command that sleeps: ended by SIGTERM, timedOut, no process left", async () => {
    const result = await sandbox.commands.run(["sleep", "601"], { timeoutMs: 1000 });
    expect(result).toMatchObject({ timedOut: true, exitCode: 124, signal: "SIGTERM", oomKilled: false });
    expect(result.durationMs).toBeGreaterThan(500);
    expect(await running("601")).toBe(0);
  });

  it("T-01 with check it is a Timeout that carries the result", async () => {
    const error = await failure(sandbox.commands.run("echo before; sleep 602", { timeoutMs: 1000, check: true }));
    expect(error).toMatchObject({ name: "Timeout", code: "COMMAND_TIMEOUT", outcome: "completed" });
    expect((error as SandboxError & { result: { stdout: string } }).result.stdout).toBe("before\n");
  });

  it("T-02 one that ignores SIGTERM gets SIGKILL after the grace time; one that obeys may say its last words", async () => {
    const deaf = await sandbox.commands.run(
      ["sh", "-c", "trap '' TERM INT HUP; echo deaf; sleep 603; sleep 603; sleep 603"],
      { timeoutMs: 1000 },
    );
    expect(deaf).toMatchObject({ timedOut: true, exitCode: 124, stdout: "deaf\n" });
    expect(await running("603")).toBe(0);
    const polite = await sandbox.commands.run(["sh", "-c", "trap 'echo bye; exit 9' TERM; sleep 604 & wait"], {
      timeoutMs: 1000,
    });
    expect(polite).toMatchObject({ timedOut: true, exitCode: 9, signal: null, stdout: "bye\n" });
    expect(await running("604")).toBe(0);
  });

  it("T-03 double fork, own session, closed descriptors, another name, another user: nothing escapes", async () => {
    const escape = [
      "setsid sh -c 'trap \"\" TERM HUP; exec >/dev/null 2>&1 </dev/null; while :; do sleep 605; done' &",
      '(setsid perl -e \'$0 = "innocent"; $SIG{TERM} = "IGNORE"; sleep 605 while 1\' >/dev/null 2>&1 &)',
      "nohup sh -c 'sleep 605' >/dev/null 2>&1 &",
      "setpriv --reuid=65534 --clear-groups sleep 605 &",
      "perl -e 'if (!fork) { if (!fork) { close STDOUT; close STDERR; exec qw(sleep 605) } }'",
      "sleep 606",
    ].join("\n");
    const result = await sandbox.commands.run(["sh", "-c", escape], { ...root, timeoutMs: 2500 });
    expect(result).toMatchObject({ timedOut: true });
    expect([await running("605"), await running("innocent"), await running("606")]).toEqual([0, 0, 0]);
  });

  it("T-03 one that moves itself out of its cgroup as root is at least told to end, and dies with the machine", async () => {
    const result = await sandbox.commands.run(["sh", "-c", "echo $$ > /sys/fs/cgroup/cgroup.procs; exec sleep 607"], {
      ...root,
      timeoutMs: 1000,
    });
    expect(result).toMatchObject({ timedOut: true, exitCode: 124 });
    expect(await running("607")).toBe(0);
  });

  it("T-04 a stopped process and a frozen group are ended as well", async () => {
    const stopped = await sandbox.commands.run(["sh", "-c", "sleep 608 & kill -STOP $!; kill -STOP $$; echo never"], {
      timeoutMs: 1000,
    });
    expect(stopped).toMatchObject({ timedOut: true, stdout: "" });
    const freeze = "echo 1 > /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/cgroup.freeze; sleep 609";
    const frozen = await sandbox.commands.run(["sh", "-c", freeze], { ...root, timeoutMs: 1000 });
    expect(frozen).toMatchObject({ timedOut: true });
    expect([await running("608"), await running("609")]).toEqual([0, 0]);
    expect(await text(sandbox, "echo alive")).toBe("alive");
  });

  it("T-03 the end of the connection ends a foreground command with its whole tree", async () => {
    const answer = await scene.api.open("POST", "/v1/sandboxes/timeouts/processes", {
      argv: ["sh", "-c", "setsid sh -c 'trap \"\" TERM; sleep 610; sleep 610' & sleep 610"],
      stream: true,
    });
    await answer.until("started");
    await until("it runs", async () => (await running("610")) > 0);
    answer.abort();
    await until("its tree is gone", async () => (await running("610")) === 0);
  });
});

describe("T-05 a kill that meets the natural end", () => {
  it("T-05 two hundred times: exactly one end each, and it is one of the two", { timeout: 180_000 }, async () => {
    const ends = new Map<string, number>();
    const round = async (): Promise<void> => {
      const process = await sandbox.commands.start(["sh", "-c", "exit 0"], { stdin: "none" });
      const events = (async () => {
        let count = 0;
        let how = "";
        for await (const event of process) {
          if (event.type !== "end") continue;
          count++;
          how = String(event.result.signal ?? event.result.exitCode);
        }
        return `${count} ${how}`;
      })();
      // From at once to well behind the natural end.
      await pause(Math.random() * 200);
      const killed = process.kill("SIGKILL").then(
        () => "",
        (error: SandboxError) => error.code,
      );
      expect(["", "PROCESS_NOT_FOUND"]).toContain(await killed);
      const end = await events.catch((error: SandboxError) => error.code);
      ends.set(end, (ends.get(end) ?? 0) + 1);
    };
    for (let batch = 0; batch < 20; batch++) await Promise.all(Array.from({ length: 10 }, round));
    console.log("T-05 ends:", Object.fromEntries(ends));
    for (const end of ends.keys()) expect(["1 0", "1 SIGKILL", "PROCESS_NOT_FOUND"]).toContain(end);
    expect((ends.get("1 0") ?? 0) + (ends.get("1 SIGKILL") ?? 0)).toBeGreaterThan(100);
  });

  it("T-05 a time limit that meets the natural end: one result, and no process left", async () => {
    const results = await Promise.all(
      Array.from({ length: 40 }, () => sandbox.commands.run(["sleep", "1"], { timeoutMs: 1000 })),
    );
    for (const { timedOut, exitCode, signal } of results) {
      expect([
        [false, 0, null],
        [true, 124, "SIGTERM"],
        [true, 0, null],
      ]).toContainEqual([timedOut, exitCode, signal]);
    }
    await until("none is left", async () => (await sandbox.commands.list()).every((process) => !process.running));
  });
});

describe("T-07 signals that abort", () => {
  it("T-07 aborted before: nothing happens at all", async () => {
    const signal = AbortSignal.abort(new Error("already"));
    const machines = machinesOf(scene.home).length;
    for (const call of [
      () => Sandbox.create({ home: scene.home, signal }),
      () => sandbox.commands.run("touch ran", { signal }),
      () => sandbox.commands.start("touch ran", { signal }),
      () => sandbox.files.write("ran", "x", { signal }),
      () => sandbox.files.read("ran", { signal }),
      () => sandbox.files.list(".", { signal }),
    ]) {
      await expect(call(), String(call)).rejects.toThrow("already");
    }
    expect(await sandbox.files.exists("ran")).toBe(false);
    expect(machinesOf(scene.home)).toHaveLength(machines);
  });

  it("T-07 during the start: rejected with the signal's reason, and no machine stays", async () => {
    const names = () => readdirSync(join(scene.home, "sandboxes"));
    const before = names().length;
    for (const delayMs of [0, 5, 20, 60, 150, 300]) {
      const aborting = new AbortController();
      const timer = setTimeout(() => aborting.abort(new Error("changed my mind")), delayMs);
      const made = await Sandbox.create({ home: scene.home, signal: aborting.signal }).catch((error: Error) => error);
      clearTimeout(timer);
      if (made instanceof Sandbox) await made.destroy();
      else expect(made.message).toBe("changed my mind");
    }
    await until(
      "every half-made sandbox is gone",
      () => names().length === before && machinesOf(scene.home).length === before,
    );
  });

  it("T-07 during a command and during a copy: rejected at once, and the guest stops working on it", async () => {
    const aborting = new AbortController();
    const call = sandbox.commands.run(["sleep", "611"], { signal: aborting.signal });
    await until("it runs", async () => (await running("611")) > 0);
    aborting.abort(new Error("enough"));
    await expect(call).rejects.toThrow("enough");
    await until("it is ended", async () => (await running("611")) === 0);
    const copying = new AbortController();
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(65_536);
      })(),
    );
    const upload = sandbox.files.write("upload/file", endless, { signal: copying.signal });
    setTimeout(() => copying.abort(new Error("enough")), 500);
    await expect(upload).rejects.toThrow("enough");
    await until("no file is left", async () => (await sandbox.files.list("upload")).length === 0);
  });
});

describe("T-08 time limits that are none", () => {
  const wrong = [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, 1.5, "5", null, {}];

  it("T-08 SDK: InvalidArgument, and nothing runs", async () => {
    for (const timeoutMs of wrong) {
      const call = () => sandbox.commands.run("touch ran", { timeoutMs: timeoutMs as number });
      expect([timeoutMs, await verdict(call)]).toEqual([timeoutMs, "InvalidArgumentError INVALID_ARGUMENT"]);
    }
    for (const timeoutSeconds of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 22, "5"]) {
      expect(
        await verdict(() => sandbox.commands.run("touch ran", { timeoutSeconds: timeoutSeconds as number })),
      ).toMatch(/^InvalidArgumentError/);
    }
    for (const ttlSeconds of [0, -1, Number.NaN, 1.5, 2 ** 40])
      expect(await verdict(() => sandbox.setTtl(ttlSeconds))).toMatch(/^InvalidArgumentError/);
    expect(await sandbox.files.exists("ran")).toBe(false);
  });

  it("T-08 HTTP: the same without a client in front", async () => {
    for (const text of ["0", "-1", "1e400", "2147483648", "1.5", '"5"', "true", "[]"]) {
      const body = `{"argv":["touch","ran"],"timeout_ms":${text}}`;
      const { status, body: answer } = await scene.api.json("POST", "/v1/sandboxes/timeouts/processes", body);
      expect([text, status, answer.error.name]).toEqual([text, 400, "InvalidArgumentError"]);
    }
    expect(await sandbox.files.exists("ran")).toBe(false);
  });

  it("T-08 CLI: a usage error", async () => {
    for (const timeout of ["0s", "5", "-1s", "1e3s", "99999999d"]) {
      const { code, stdout } = await cli(["exec", "timeouts", `--timeout=${timeout}`, "--", "touch", "ran"], {
        home: scene.home,
      });
      expect([timeout, code, stdout.toString()]).toEqual([timeout, 64, ""]);
    }
    expect(await sandbox.files.exists("ran")).toBe(false);
  });

  it("T-08 the longest limit there is does not fire at once", async () => {
    expect(await sandbox.commands.run(["sleep", "0.3"], { timeoutMs: 2_147_483_647 })).toMatchObject({
      exitCode: 0,
      timedOut: false,
    });
  });
});

describe("T-11 ends that meet each other", () => {
  it("T-11 destroy fifty times at once: one clean-up, the same answer", async () => {
    const victim = await scene.sandbox();
    const answers = await Promise.all(Array.from({ length: 50 }, () => victim.destroy()));
    expect(answers.every(({ guarantee }) => guarantee.length > 0)).toBe(true);
    expect(answers.filter(({ destroyed }) => destroyed).length).toBeGreaterThanOrEqual(1);
    expect(readdirSync(join(scene.home, "sandboxes"))).not.toContain(victim.id);
    expect(await victim.destroy()).toMatchObject({ destroyed: false });
  });

  it("T-11 stop twice at once, and while a command runs: the command's outcome is unknown, the disk stays", async () => {
    const stopped = await scene.sandbox({ detach: true, ttlSeconds: 600 });
    const command = stopped.commands
      .run(["sh", "-c", "echo kept > kept; sleep 612"])
      .catch((error: SandboxError) => error);
    await until("it has written", () => stopped.files.exists("kept"));
    const [one, two] = await Promise.all([stopped.stop(), stopped.stop()]);
    expect([one.state, two.state]).toEqual(["stopped", "stopped"]);
    expect(await command).toMatchObject({ outcome: "unknown" });
    expect((await stopped.stop()).state).toBe("stopped");
    expect(await failure(sh(stopped, "true"))).toMatchObject({ name: "SandboxUnavailable", outcome: "not_started" });
    expect(await stopped.destroy()).toMatchObject({ destroyed: true });
  });

  it("T-11 stop, destroy and commands all at once: every call ends, typed, and nothing is left", async () => {
    const busy = await scene.sandbox();
    const calls = [
      ...Array.from({ length: 10 }, () => sh(busy, "sleep 0.2; echo x")),
      busy.stop(),
      ...Array.from({ length: 10 }, () => busy.files.write("f", "x")),
      busy.destroy(),
      ...Array.from({ length: 5 }, () => sh(busy, "echo late")),
      busy.destroy(),
    ];
    for (const call of await Promise.allSettled(calls)) {
      if (call.status === "rejected")
        expect((call.reason as SandboxError).name).toMatch(
          /SandboxUnavailable|OutcomeUnknownError|TransportError|GuestAgentError/,
        );
    }
    await until("nothing is left", () => !readdirSync(join(scene.home, "sandboxes")).includes(busy.id));
  });

  it("T-11 destroy during create, by name", async () => {
    const creating = Sandbox.create({ home: scene.home, name: "short-lived" }).catch((error: SandboxError) => error);
    await until("it is known", async () => (await scene.api.json("GET", "/v1/sandboxes/short-lived")).status === 200);
    const { status } = await scene.api.json("DELETE", "/v1/sandboxes/short-lived");
    expect(status).toBe(200);
    const made = await creating;
    if (made instanceof Sandbox) expect(await verdict(sh(made, "true"))).toMatch(/^SandboxUnavailable/);
    else expect(made).toMatchObject({ name: "SandboxUnavailable" });
    await until("its machine is gone", () => machinesOf(scene.home).length === 1);
  });
});

describe("T-12 stdin", () => {
  it("T-12 none given: an end of file at once", async () => {
    expect(await text(sandbox, "cat; echo end")).toBe("end");
    expect(await sandbox.commands.run(["cat"], { stdin: "" })).toMatchObject({ exitCode: 0, stdoutBytes: 0 });
  });

  it("T-12 48 MiB arrive whole and in order", { timeout: 120_000 }, async () => {
    const chunk = randomBytes(1 << 20);
    const hash = createHash("sha256");
    const source = Readable.from(
      (function* () {
        for (let n = 0; n < 48; n++) {
          hash.update(chunk);
          yield chunk;
        }
      })(),
      { highWaterMark: 1 },
    );
    const { stdout } = await sandbox.commands.run(["sha256sum"], { stdin: source, timeoutSeconds: 100 });
    expect(stdout).toBe(`${hash.digest("hex")}  -\n`);
  });

  it("T-12 a command that closes its stdin, or whose child keeps it, does not hang the caller", async () => {
    expect(
      await sandbox.commands.run(["sh", "-c", "exec 0<&-; echo closed; exit 3"], { stdin: Buffer.alloc(4 << 20) }),
    ).toMatchObject({ exitCode: 3, stdout: "closed\n" });
    expect(
      await sandbox.commands.run(["sh", "-c", "sleep 613 >/dev/null 2>&1 & echo done"], {
        stdin: Buffer.alloc(4 << 20),
      }),
    ).toMatchObject({ exitCode: 0, stdout: "done\n" });
    await sh(sandbox, "pkill sleep");
  });

  it("T-12 writing and closing the stdin of a started command, also after its end", async () => {
    const cat = await sandbox.commands.start(["cat"]);
    await cat.writeStdin("one ");
    await cat.writeStdin("two");
    await cat.closeStdin();
    expect(await cat.wait()).toMatchObject({ exitCode: 0, stdout: "one two" });
    expect((await failure(cat.writeStdin("late"))).name).toMatch(/OutcomeUnknownError|SandboxUnavailable/);
  });
});
