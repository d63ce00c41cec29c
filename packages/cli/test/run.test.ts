import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { documentOf, program, run, start } from "./support/cli.js";
import {
  type Answer,
  events,
  failure,
  json,
  output,
  resultDocument,
  StandingDaemon,
  started,
} from "./support/standing-daemon.js";

let daemon: StandingDaemon | undefined;
afterEach(async () => {
  await daemon?.stop();
  daemon = undefined;
});

async function standing(answer: Answer, more: Record<string, Answer> = {}): Promise<StandingDaemon> {
  return (daemon = await StandingDaemon.start({ "POST /v1/runs": answer, ...more }));
}

async function sentBody(): Promise<{
  sandbox: Record<string, unknown>;
  command: Record<string, unknown> & { argv: string[] };
}> {
  return JSON.parse(lastBody) as never;
}
let lastBody = "";
const remembering =
  (answer: Answer): Answer =>
  async (seen, response) => {
    lastBody = (await seen.body()).toString();
    await answer(seen, response);
  };

describe("run", () => {
  test("without a command, runs what the image says, and says so of one that names nothing", async () => {
    const answer = remembering(events(started, { event: "end", result: resultDocument({}) }));
    const config = { env: {}, cwd: null, user: null, entrypoint: ["/bin/serve", "-v"], command: ["--port", "80"] };
    const image = (more: object) => json({ name: "web", digest: "sha256:a", size_bytes: 1, templates: [], ...more });
    const { home } = await standing(answer, {
      "GET /v1/images/team%2Fweb%3A1": image({ config }),
      "GET /v1/images/tool": image({ config: { ...config, entrypoint: null } }),
      "GET /v1/images/bare": image({ config: { ...config, entrypoint: null, command: [] } }),
      "GET /v1/images/python": image({}),
      "GET /v1/images/none": failure("AssetNotFoundError", "ASSET_NOT_FOUND", 404),
    });
    expect((await run(["run", "--image", "team/web:1"], { home })).code).toBe(0);
    const body = await sentBody();
    expect(body.command.argv).toEqual(["/bin/serve", "-v", "--port", "80"]);
    expect(body.sandbox["image"]).toBe("team/web:1");
    expect((await run(["run", "--image", "tool", "--"], { home })).code).toBe(0);
    expect((await sentBody()).command.argv).toEqual(["--port", "80"]);
    for (const name of ["bare", "python"]) {
      const ran = await run(["run", "--image", name, "--json"], { home });
      expect([ran.code, documentOf(ran).error?.message]).toEqual([
        64,
        `Cannot run: no command is given, and image "${name}" names none`,
      ]);
    }
    expect((await run(["run", "--image", "none"], { home })).code).toBe(69);
    expect((await run(["run"], { home })).stderr).toContain("Cannot run: no command is given");
    await run(["run", "--image", "web", "--", "true"], { home });
    expect((await sentBody()).command.argv, "a command that is given is all that runs").toEqual(["true"]);
  });

  test("streams both outputs byte for byte and exits with the guest's code", async () => {
    const bytes = Buffer.from([0, 255, 27, 10, 128, 65]);
    const { home } = await standing(
      events(started, output("stdout", bytes), output("stderr", "oops\n"), {
        event: "end",
        result: resultDocument({ exit_code: 3 }),
      }),
    );
    const ran = await run(["run", "--", "true"], { home });
    expect(ran.code).toBe(3);
    expect(ran.stdout).toEqual(bytes);
    expect(ran.stderr).toBe("oops\n");
  });

  test.each(Array.from({ length: 256 }, (_, code) => code).filter((code) => code % 51 === 0 || code > 250))(
    "passes exit code %i on",
    async (code) => {
      const { home } = await standing(events(started, { event: "end", result: resultDocument({ exit_code: code }) }));
      expect((await run(["run", "--", "x"], { home })).code).toBe(code);
    },
  );

  test("passes every word after -- on byte for byte", async () => {
    const { home } = await standing(remembering(events(started, { event: "end", result: resultDocument() })));
    const argv = [
      "sh",
      "-c",
      "--",
      "--json",
      "",
      " a  b ",
      "'\"",
      "line\nbreak",
      "-h",
      "--help",
      "é\u{1f600}",
      "x".repeat(128 * 1024 - 1),
    ];
    expect((await run(["run", "--", ...argv], { home })).code).toBe(0);
    expect((await sentBody()).command.argv).toEqual(argv);
  });

  test("takes the first word that is no option as the command", async () => {
    const { home } = await standing(remembering(events(started, { event: "end", result: resultDocument() })));
    expect((await run(["run", "--cpus", "2", "python3", "x.py", "--cpus", "3", "--", "--json"], { home })).code).toBe(
      0,
    );
    const { sandbox, command } = await sentBody();
    expect(command.argv).toEqual(["python3", "x.py", "--cpus", "3", "--", "--json"]);
    expect(sandbox).toEqual({ profile: "restrictive", cpu: 2 });
  });

  test("hands options on in the words of the API", async () => {
    const { home } = await standing(remembering(events(started, { event: "end", result: resultDocument() })));
    const line =
      "run --image node --profile dev --memory 1G --disk 4G --env A=1=2 --secret KEY=stored --allow-host api.example.com --allow-host 10.0.0.5:8080 --add-dir /data:/in --tag team=a --accel tcg --backend qemu --require-isolation hardware --timeout 1m30s --cwd /tmp --user root --max-output 2M";
    expect((await run([...line.split(" "), "--", "x"], { home })).code).toBe(0);
    expect(await sentBody()).toEqual({
      sandbox: {
        image: "node",
        profile: "dev",
        memory_mb: 1024,
        disk_mb: 4096,
        env: { A: "1=2" },
        secrets: { KEY: { secret: "stored" } },
        network: {
          default: "deny",
          allow: [
            { host: "api.example.com", port: 443, protocol: "https" },
            { host: "10.0.0.5", port: 8080, protocol: "tcp" },
          ],
        },
        mounts: [{ host: "/data", guest: "/in", mode: "ro" }],
        tags: { team: "a" },
        accel: "tcg",
        backend: "qemu",
        require_isolation: "hardware",
      },
      command: {
        argv: ["x"],
        stdin: "none",
        stream: true,
        timeout_ms: 90_000,
        cwd: "/tmp",
        user: "root",
        max_output_bytes: 2097152,
      },
    });
  });

  test("prints the document with --json and does not stream", async () => {
    const result = resultDocument({ stdout: "42\n", stdout_bytes: 3, exit_code: 1 });
    const { home } = await standing(remembering(events(started, { event: "end", result })));
    const ran = await run(["run", "--json", "--", "x"], { home });
    expect(ran.code).toBe(1);
    expect(documentOf(ran)).toEqual(result);
    expect((await sentBody()).command["stream"]).toBe(false);
  });

  test("a timeout exits with 124 and keeps the partial output", async () => {
    const { home } = await standing(
      events(started, output("stdout", "part"), {
        event: "end",
        result: resultDocument({ exit_code: 124, timed_out: true }),
      }),
    );
    const ran = await run(["run", "--timeout", "1s", "--", "sleep", "9"], { home });
    expect([ran.code, ran.stdout.toString()]).toEqual([124, "part"]);
    expect(ran.stderr).toContain("time limit");
  });

  test("notices are said once, not under --quiet, and never on stdout", async () => {
    const notice = { event: "notice", message: "kvm is not usable: running under tcg" };
    const { home } = await standing(events(notice, notice, started, { event: "end", result: resultDocument() }));
    const loud = await run(["run", "--", "x"], { home });
    expect(loud.stderr).toBe("mvmctl: note: kvm is not usable: running under tcg\n");
    expect(loud.stdout.length).toBe(0);
    expect((await run(["run", "--quiet", "--", "x"], { home })).stderr).toBe("");
  });

  test("progress is not shown on a pipe", async () => {
    const progress = { event: "progress", phase: "template", done: 1, total: 2 };
    const { home } = await standing(events(progress, started, { event: "end", result: resultDocument() }));
    expect((await run(["run", "--", "x"], { home })).stderr).toBe("");
  });

  test("an error inside the stream is typed and has its exit code", async () => {
    const error = { name: "VmCapacityError", code: "VM_CAPACITY", message: "Cannot create: full", hint: "Wait" };
    const { home } = await standing(events({ event: "error", error }));
    const ran = await run(["run", "--", "x"], { home });
    expect(ran.code).toBe(75);
    expect(ran.stderr).toBe("mvmctl: VmCapacityError [VM_CAPACITY]: Cannot create: full\nhint: Wait\n");
    expect(documentOf(await run(["run", "--json", "--", "x"], { home })).error?.code).toBe("VM_CAPACITY");
  });

  test("an error before the stream is typed and has its exit code", async () => {
    const { home } = await standing(failure("PolicyDenied", "POLICY_DENIED", 403));
    expect((await run(["run", "--", "x"], { home })).code).toBe(77);
  });

  test("a stream without a result is no success", async () => {
    const { home } = await standing(events(started, output("stdout", "x")));
    const ran = await run(["run", "--", "x"], { home });
    expect(ran.code).toBe(74);
    expect(ran.stderr).toContain("OUTCOME_UNKNOWN");
  });

  test("a broken connection is a transport error", async () => {
    const { home } = await standing(async (seen, response) => {
      await seen.body();
      response.writeHead(200).write(`${JSON.stringify(started)}\n`);
      setTimeout(() => response.destroy(), 50);
    });
    expect((await run(["run", "--", "x"], { home })).code).toBe(74);
  });

  test("forwards stdin from a pipe and its end", async () => {
    let got: Buffer | undefined;
    const stdin: Answer = async (seen, response) => {
      expect(seen.query.get("eof")).toBe("true");
      got = await seen.body();
      await json({ written_bytes: got.length })(seen, response);
    };
    const { home } = await standing(
      remembering(async (_, response) => {
        response.write(`${JSON.stringify(started)}\n`);
        while (got === undefined) await new Promise((resolve) => setTimeout(resolve, 10));
        response.end(`${JSON.stringify({ event: "end", result: resultDocument() })}\n`);
      }),
      { "POST /v1/runs/run_1/stdin": stdin },
    );
    const data = Buffer.alloc(3_000_000, "abc\0");
    expect((await run(["run", "--", "cat"], { home, stdin: data })).code).toBe(0);
    expect(got?.equals(data)).toBe(true);
    expect((await sentBody()).command["stdin"]).toBe("pipe");
  });

  test("an open stdin that nobody writes does not hold the end up", async () => {
    const { home } = await standing(events(started, { event: "end", result: resultDocument() }), {
      "POST /v1/runs/run_1/stdin": () => undefined,
    });
    const child = start(["run", "--", "true"], { home });
    const [code] = (await once(child, "exit")) as [number];
    expect(code).toBe(0);
  });
});

describe("cancellation", () => {
  const never: Answer = async (seen, response) => {
    await seen.body();
    response.writeHead(200).write(`${JSON.stringify(started)}\n${JSON.stringify(output("stdout", "begun\n"))}\n`);
  };

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("%s closes the connection and exits with %i", async (signal, code) => {
    const { home, requests } = await standing(never);
    const child = start(["run", "--", "sleep", "9"], { home }, ["ignore", "pipe", "pipe"]);
    await once(child.stdout!, "data");
    child.kill(signal);
    const [exit] = (await once(child, "exit")) as [number];
    expect(exit).toBe(code);
    await requests[0]?.closed;
  });

  test("with --json a cancelled command prints one error document", async () => {
    const { home, requests } = await standing(never);
    const child = start(["run", "--json", "--", "x"], { home }, ["ignore", "pipe", "pipe"]);
    while (requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await new Promise((resolve) => setTimeout(resolve, 100));
    let text = "";
    child.stdout!.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.kill("SIGINT");
    expect((await once(child, "close"))[0]).toBe(130);
    expect((JSON.parse(text) as { error: { code: string } }).error.code).toBe("CANCELLED");
  });

  test("works while the daemon has not answered yet", async () => {
    const { home, requests } = await standing(() => undefined);
    const child = start(["run", "--", "x"], { home }, ["ignore", "pipe", "pipe"]);
    while (requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill("SIGINT");
    expect((await once(child, "exit"))[0]).toBe(130);
  });

  test("works while nobody reads stdout", async () => {
    const { home, requests } = await standing(async (seen, response) => {
      await seen.body();
      const line = `${JSON.stringify(output("stdout", Buffer.alloc(65536)))}\n`;
      response.write(`${JSON.stringify(started)}\n`);
      while (!response.destroyed) {
        if (!response.write(line)) await Promise.race([once(response, "drain"), seen.closed]);
      }
    });
    const child = start(["run", "--", "yes"], { home }, ["ignore", "pipe", "pipe"]);
    while (requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.kill("SIGINT");
    expect((await once(child, "exit"))[0]).toBe(130);
  });

  test("a closed stdout ends it quietly and closes the connection", async () => {
    const { home, requests } = await standing(async (seen, response) => {
      await seen.body();
      response.write(`${JSON.stringify(started)}\n`);
      while (!response.destroyed) {
        response.write(`${JSON.stringify(output("stdout", "y\n"))}\n`);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
    const script = `"$0" "$1" run -- yes | head -n 2; echo "\${PIPESTATUS[0]}"`;
    const environment = { ...process.env, MVM_HOME: home };
    const text = await new Promise<string>((resolve) => {
      execFile("bash", ["-c", `${script}`, process.execPath, program()], { env: environment }, (_, out, err) =>
        resolve(out + err),
      );
    });
    expect(text).toBe("y\ny\n141\n");
    await requests[0]?.closed;
  });
});

test("memory stays bounded while nobody reads stdout", async () => {
  let sent = 0;
  const { home } = await standing(async (seen, response) => {
    await seen.body();
    const line = `${JSON.stringify(output("stdout", Buffer.alloc(65536)))}\n`;
    response.write(`${JSON.stringify(started)}\n`);
    while (!response.destroyed && sent < 512 * 1024 * 1024) {
      sent += 65536;
      if (!response.write(line)) await Promise.race([once(response, "drain"), seen.closed]);
    }
  });
  const child = start(["run", "--", "yes"], { home }, ["ignore", "pipe", "ignore"]);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  child.kill("SIGKILL");
  expect(sent).toBeLessThan(8 * 1024 * 1024);
});

test("a stdout that is full is reported, not ignored", async () => {
  const { home } = await standing(events(started, output("stdout", "x"), { event: "end", result: resultDocument() }));
  for (const argv of [["run", "--", "x"], ["run", "--json", "--", "x"], ["--help", "--json"], ["version"]]) {
    const full = openSync("/dev/full", "w");
    const child = start(argv, { home }, ["ignore", full, "pipe"]);
    closeSync(full);
    expect((await once(child, "exit"))[0]).toBe(74);
  }
  expect((await run(["run", "--cpus"], { home })).code).toBe(64);
});

test("run --mode live runs a script with its mode in the environment", async () => {
  const script = join(mkdtempSync(join(tmpdir(), "mvmctl-")), "a.py");
  writeFileSync(script, "import os, sys; print(os.environ['MVM_SDK_MODE'], sys.argv[1:]); sys.exit(7)");
  const ran = await run(["run", "--mode", "live", script, "--x"]);
  expect([ran.code, ran.stdout.toString()]).toEqual([7, "live ['--x']\n"]);
  const typescript = script.replace(".py", ".ts");
  writeFileSync(
    typescript,
    "const words: string[] = process.argv.slice(2);\nconsole.log(words);\nprocess.exitCode = 3;\n",
  );
  expect(await run(["run", "--mode", "live", typescript, "x"])).toMatchObject({
    code: 3,
    stdout: Buffer.from("[ 'x' ]\n"),
  });
});

test("python3 is there for the tests of terminals", () => {
  expect(execFileSync("python3", ["-c", "print(1)"]).toString()).toBe("1\n");
});
