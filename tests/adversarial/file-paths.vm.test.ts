import type { Sandbox } from "@mvm/sdk";
import { beforeAll, describe, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { failure, root, sh, text, useScene, verdict } from "../support/scene.js";

const scene = useScene();
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await scene.sandbox({ name: "paths" });
});

/** Path and whether it is refused before anything is asked, or taken literally and there, or not there. */
const table: readonly (readonly [path: string, verdict: "refused" | string])[] = [
  ["../x", "refused"],
  ["..", "refused"],
  ["a/../../x", "refused"],
  ["a/..", "refused"],
  ["/..", "refused"],
  ["/etc/../etc/passwd", "refused"],
  ["./..", "refused"],
  ["", "refused"],
  ["nul\0nul", "refused"],
  ["\0", "refused"],
  ["n".repeat(256), "refused"],
  [`deep/${"n".repeat(256)}/x`, "refused"],
  ["é".repeat(128), "refused"],
  ["/a".repeat(2049), "refused"],
  ["\ud800", "refused"],
  ["%2e%2e", "%2e%2e"],
  ["%2e%2e%2fetc", "%2e%2e%2fetc"],
  ["..\\", "..\\"],
  ["..\\..\\x", "..\\..\\x"],
  ["....", "...."],
  ["...", "..."],
  [".hidden", ".hidden"],
  ["./plain", "plain"],
  [".//./plain2", "plain2"],
  ["doubled//slash", "doubled/slash"],
  ["/home/user//absolute", "absolute"],
  ["//home/user/absolute2", "absolute2"],
  [" ", " "],
  [" leading and trailing ", " leading and trailing "],
  ["-rf", "-rf"],
  ["--", "--"],
  ["~", "~"],
  ["~root", "~root"],
  ["$HOME", "$HOME"],
  ["`id`", "`id`"],
  ["$(id)", "$(id)"],
  ["a;b|c&d", "a;b|c&d"],
  ["*", "*"],
  ["?x[y]{z}", "?x[y]{z}"],
  ["'\"", "'\""],
  ["new\nline", "new\nline"],
  ["carriage\rreturn", "carriage\rreturn"],
  ["tab\t", "tab\t"],
  ["\u0001\u0007\u001b[31m", "\u0001\u0007\u001b[31m"],
  ["\u007f", "\u007f"],
  ["\u202egnp.exe", "\u202egnp.exe"],
  ["\u200b", "\u200b"],
  ["\ufeffbom", "\ufeffbom"],
  ["caf\u00e9", "caf\u00e9"],
  ["cafe\u0301", "cafe\u0301"],
  ["💣", "💣"],
  ["file:///etc/passwd", "file:/etc/passwd"],
  ["C:\\Windows", "C:\\Windows"],
  ["con", "con"],
  ["__proto__", "__proto__"],
  ["constructor", "constructor"],
  ["?query=1&path=/etc/passwd", "?query=1&path=/etc/passwd"],
  ["#fragment", "#fragment"],
  ["+plus", "+plus"],
  ["m".repeat(255), "m".repeat(255)],
];

describe("F-01 what a path may be, the same for HTTP, SDK and CLI", () => {
  const url = (path: string): string =>
    `/v1/sandboxes/paths/files/content?path=${encodeURIComponent(path.isWellFormed() ? path : path.toWellFormed() + "/..")}`;

  it("F-01 SDK: refused as an invalid argument, or literal", async () => {
    for (const [path, expected] of table) {
      const write = () => sandbox.files.write(path, `content of ${path}`);
      if (expected === "refused")
        expect([path, await verdict(write)]).toEqual([path, "InvalidArgumentError INVALID_ARGUMENT"]);
      else {
        await write();
        expect(await sandbox.files.read(path), path).toBe(`content of ${path}`);
      }
    }
  });

  it("F-01 they are where a program in the guest sees them, byte for byte", async () => {
    const script =
      "import os,json;print(json.dumps(sorted(os.path.relpath(os.path.join(d,f),'.') for d,_,fs in os.walk('.') for f in fs)))";
    const found = JSON.parse(await text(sandbox, `python3 -c "${script}"`)) as string[];
    const literal = table.filter(([, expected]) => expected !== "refused").map(([, expected]) => expected);
    expect(found.filter((name) => !/^\.(bash|profile)/.test(name))).toEqual(
      expect.arrayContaining([...new Set(literal)]),
    );
    expect(await text(sandbox, "ls / /home /etc | grep -c '^x$'; true")).toBe("0");
  });

  it("F-01 HTTP: the same verdicts without any client in front", async () => {
    for (const [path, expected] of table) {
      const answer = await scene.api.open("GET", url(path));
      const body = await answer.text();
      if (expected === "refused") {
        expect([path, answer.status, JSON.parse(body).error.name]).toEqual([path, 400, "InvalidArgumentError"]);
      } else expect([path, answer.status]).toEqual([path, 200]);
    }
    const twice = await scene.api.json("GET", "/v1/sandboxes/paths/files/content?path=plain&path=%2Fetc%2Fpasswd");
    expect([twice.status, twice.body.error.name]).toEqual([400, "InvalidArgumentError"]);
  });

  it("F-01 CLI: the same verdicts for what can be an argument", async () => {
    const rows = table.filter(([path]) =>
      ["../x", "", "a/..", "%2e%2e", "-rf", "new\nline", "$(id)", "caf\u00e9", "cafe\u0301"].includes(path),
    );
    expect(rows).toHaveLength(9);
    for (const [path, expected] of rows) {
      const { code, stdout } = await cli(["fs", "read", "paths", "--", path], { home: scene.home });
      expect([path, code, stdout.toString()]).toEqual(
        expected === "refused" ? [path, 64, ""] : [path, 0, `content of ${path}`],
      );
    }
  });

  it("F-01 F-14 names with escapes reach no terminal raw", async () => {
    const { stdout, stderr } = await cli(["fs", "ls", "paths", "/home/user"], { home: scene.home });
    expect(stdout.toString()).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f\u202e\u200b]/);
    expect(
      stdout
        .toString()
        .split("\n")
        .filter((line) => line === "line"),
    ).toEqual([]);
    expect(stderr).not.toContain("\u001b[31m");
  });

  it("F-01 a trailing slash means a directory", async () => {
    await sandbox.files.mkdir("directory");
    expect(await verdict(sandbox.files.write("directory/", "x"))).toBe("GuestAgentError FILE_IS_DIRECTORY");
    expect(await verdict(sandbox.files.read("plain/"))).toBe("GuestAgentError FILE_NOT_DIRECTORY");
    expect((await sandbox.files.stat("directory/")).type).toBe("directory");
    expect(await verdict(sandbox.files.stat("plain/"))).toBe("GuestAgentError FILE_NOT_DIRECTORY");
    expect(await verdict(sandbox.files.read("plain/x"))).toBe("GuestAgentError FILE_NOT_DIRECTORY");
  });
});

describe("F-02 F-03 links that lead where the file API does not go", () => {
  const kernel = [
    "/proc/version",
    "/proc/1/environ",
    "/proc/self/root/etc/passwd",
    "/sys/kernel/uevent_helper",
    "/dev/vport0p1",
    "/dev/kmsg",
    "/sys/fs/cgroup/cgroup.procs",
  ];

  it("F-03 procfs, sysfs, devices and cgroups are refused by their own names", async () => {
    for (const path of [
      "/proc/version",
      "/sys/kernel/notes",
      "/dev/null",
      "/dev/pts/0",
      "/sys/fs/cgroup/cgroup.procs",
    ]) {
      for (const call of [
        () => sandbox.files.read(path),
        () => sandbox.files.write(path, "x"),
        () => sandbox.files.stat(path),
        () => sandbox.files.remove(path),
        () => sandbox.files.rename("plain", path),
        () => sandbox.files.rename(path, "stolen"),
        () => sandbox.files.mkdir(`${path}-new`, { parents: false }),
      ]) {
        const { name, outcome } = await failure(call);
        expect(["PolicyDenied", "GuestAgentError"], `${path} ${String(call)}`).toContain(name);
        expect(outcome).toBe("not_started");
      }
    }
    expect(await verdict(sandbox.files.read("/proc/version"))).toBe("PolicyDenied FILE_DENIED");
    expect(await verdict(sandbox.files.list("/proc"))).toBe("PolicyDenied FILE_DENIED");
    expect(await verdict(sandbox.files.list("/sys/class"))).toBe("PolicyDenied FILE_DENIED");
    expect(await verdict(sandbox.files.list("/dev"))).toBe("PolicyDenied FILE_DENIED");
  });

  it("F-02 as leaf: read, list, stat, chmod are refused; write replaces and remove removes the link, never what it names", async () => {
    for (const target of kernel) {
      await text(sandbox, `ln -sfn ${target} leaf`);
      for (const call of [
        () => sandbox.files.read("leaf"),
        () => sandbox.files.list("leaf"),
        () => sandbox.files.stat("leaf"),
        () =>
          sandbox.client.json({
            method: "POST",
            path: `/sandboxes/paths/files/chmod`,
            operation: "chmod",
            json: { path: "leaf", mode: 0o777 },
          }),
      ]) {
        const { name, code } = await failure(call);
        expect(`${target} ${name} ${code}`).toMatch(
          /PolicyDenied FILE_DENIED|GuestAgentError (FILE_NOT_DIRECTORY|FILE_NOT_FOUND|FILE_SPECIAL|GUEST_INVALID|FILE_IO)/,
        );
      }
      expect(await sandbox.files.stat("leaf", { follow: false })).toMatchObject({ type: "symlink", target });
      await sandbox.files.write("leaf", "mine");
      expect(await sandbox.files.stat("leaf", { follow: false })).toMatchObject({ type: "file", size: 4 });
      await text(sandbox, `ln -sfn ${target} leaf`);
      expect(await sandbox.files.remove("leaf")).toBe(1);
    }
    expect(await text(sandbox, "cat /sys/kernel/uevent_helper; ls /proc/version", root)).toMatch(
      /^\s*\/proc\/version$/,
    );
  });

  it("F-03 as parent, in a chain, dangling or in a loop: a typed error at once", async () => {
    await text(
      sandbox,
      "ln -sfn /proc/1 p; ln -sfn p q; ln -sfn q r; ln -sfn /proc/self/root magic; ln -sfn b a; ln -sfn a b; ln -sfn /nowhere/at/all dangling; ln -sfn . here",
    );
    for (const path of ["p/environ", "r/environ", "magic/etc/passwd", "p/root/etc/passwd", "p/cwd", "r/fd/0"]) {
      expect([path, await verdict(sandbox.files.read(path))]).toEqual([
        path,
        expect.stringMatching(/PolicyDenied FILE_DENIED|FILE_IO|GUEST_INVALID/),
      ]);
      const { name } = await failure(sandbox.files.write(`${path}/x`, "x"));
      expect(["PolicyDenied", "GuestAgentError"]).toContain(name);
    }
    for (const call of [
      () => sandbox.files.read("a"),
      () => sandbox.files.list("b"),
      () => sandbox.files.write("a/x", "x"),
    ]) {
      expect((await failure(call)).name).toMatch(/GuestAgentError|PolicyDenied/);
    }
    expect(await verdict(sandbox.files.read("dangling"))).toBe("GuestAgentError FILE_NOT_FOUND");
    expect(await sandbox.files.stat("dangling", { follow: false })).toMatchObject({ type: "symlink" });
    expect(await sandbox.files.read(`${"here/".repeat(30)}plain`)).toBe("content of ./plain");
    expect((await failure(sandbox.files.read(`${"here/".repeat(60)}plain`))).name).toMatch(
      /GuestAgentError|PolicyDenied/,
    );
  });

  // The image has no mount(8).
  const libc = (call: string): string => `python3 -c "import ctypes;assert ctypes.CDLL(None).${call} == 0"`;
  const mount = (type: string): string => libc(`mount(b'none', b'mnt', b'${type}', 0, None)`);
  const unmount = libc("umount2(b'mnt', 0)");

  it("F-03 a mount of the guest's over an innocent directory is known by what it is", async () => {
    await text(sandbox, `mkdir -p mnt; ${mount("proc")}`, root);
    expect(await verdict(sandbox.files.read("mnt/version"))).toBe("PolicyDenied FILE_DENIED");
    expect(await verdict(sandbox.files.write("mnt/sys/kernel/hostname", "x"))).toBe("PolicyDenied FILE_DENIED");
    expect((await failure(sandbox.files.remove("mnt", { recursive: true }))).name).toMatch(
      /PolicyDenied|GuestAgentError/,
    );
    await text(sandbox, `${unmount}; ${mount("devtmpfs")}`, root);
    expect(await verdict(sandbox.files.read("mnt/kmsg"))).toBe("PolicyDenied FILE_DENIED");
    await text(sandbox, unmount, root);
  });
});

describe("F-05 removing", () => {
  it("F-05 a tree never follows links out of itself", async () => {
    await text(
      sandbox,
      "mkdir -p out tree/deep/er; echo kept > out/kept; ln -s ../out tree/out; ln -s /etc tree/deep/etc; ln -s ../../../out/kept tree/deep/er/file; ln out/kept tree/hard; mkfifo tree/fifo",
    );
    expect(await sandbox.files.remove("tree", { recursive: true })).toBe(8);
    expect(await sandbox.files.exists("tree")).toBe(false);
    expect(await sandbox.files.read("out/kept")).toBe("kept\n");
    expect(await text(sandbox, "head -c 4 /etc/passwd")).toBe("root");
  });

  it("F-05 a link to a directory is removed itself, with and without recursive", async () => {
    for (const recursive of [false, true]) {
      await text(sandbox, "ln -sfn out link");
      expect(await sandbox.files.remove("link", { recursive })).toBe(1);
      expect(await sandbox.files.list("out")).toHaveLength(1);
    }
  });

  it("F-05 the root, the home directory and mount points are refused, however they are spelt", async () => {
    await text(sandbox, "ln -sfn /home/user/.. up; ln -sfn / top");
    for (const path of [
      "/",
      "//",
      "/.",
      ".",
      "./",
      "/home/user",
      "/home/user/",
      "/home",
      "up/user",
      "top/home/user",
      "/run",
      "/proc",
      "/dev",
      "/dev/shm",
      "/sys",
    ]) {
      for (const recursive of [true, false]) {
        expect([path, (await failure(sandbox.files.remove(path, { recursive }))).outcome]).toEqual([
          path,
          expect.stringMatching(/not_started|unknown/),
        ]);
      }
    }
    expect(await sandbox.files.exists("out/kept")).toBe(true);
    expect(await text(sandbox, "ls -d /run /proc/1 /dev/null /dev/shm /home/user /etc/passwd | wc -l")).toBe("6");
  });

  it("F-05 a directory that is not empty stays without recursive", async () => {
    expect(await verdict(sandbox.files.remove("out"))).toBe("GuestAgentError FILE_NOT_EMPTY");
    expect(await sandbox.files.list("out")).toHaveLength(1);
  });
});

describe("F-06 what is no regular file", () => {
  it("F-06 FIFO, socket, device and directory: a typed error, and nobody waits", async () => {
    await text(
      sandbox,
      "mkfifo fifo; mkdir dir; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'",
    );
    await text(sandbox, "mknod null c 1 3; mknod disk b 254 0; chmod 666 null disk", root);
    for (const path of ["fifo", "sock", "null", "disk"]) {
      expect([path, await verdict(sandbox.files.read(path))]).toEqual([path, "GuestAgentError FILE_SPECIAL"]);
      expect([path, await verdict(sandbox.files.write(path, "x"))]).toEqual([path, "GuestAgentError FILE_SPECIAL"]);
      expect([path, await verdict(sandbox.files.write(path, "x", { append: true }))]).toEqual([
        path,
        "GuestAgentError FILE_SPECIAL",
      ]);
    }
    expect(await verdict(sandbox.files.read("dir"))).toBe("GuestAgentError FILE_IS_DIRECTORY");
    expect(await verdict(sandbox.files.write("dir", "x"))).toBe("GuestAgentError FILE_IS_DIRECTORY");
    expect(await verdict(sandbox.files.list("plain"))).toBe("GuestAgentError FILE_NOT_DIRECTORY");
    const types = (await sandbox.files.list(".")).filter(({ name }) =>
      ["fifo", "sock", "null", "disk", "dir"].includes(name),
    );
    expect(types.map(({ name, type }) => [name, type])).toEqual([
      ["dir", "directory"],
      ["disk", "device"],
      ["fifo", "fifo"],
      ["null", "device"],
      ["sock", "socket"],
    ]);
    for (const name of ["fifo", "sock", "null", "disk"]) expect(await sandbox.files.remove(name)).toBe(1);
  });
});

describe("F-08 files that claim more than there is", () => {
  it("F-08 a sparse TiB is listed honestly, refused at once, and can be read in parts", async () => {
    await text(
      sandbox,
      "truncate -s 1T sparse; printf end | dd of=sparse bs=1 seek=1099511627776 conv=notrunc 2>/dev/null",
    );
    expect((await sandbox.files.stat("sparse")).size).toBe(2 ** 40 + 3);
    expect(await failure(sandbox.files.read("sparse"))).toMatchObject({
      name: "InvalidArgumentError",
      boundary: "filesystem",
    });
    expect(await sandbox.files.read("sparse", { offset: 2 ** 40 })).toBe("end");
    expect(await sandbox.files.read("sparse", { offset: 2 ** 50 })).toBe("");
    const stream = (await sandbox.files.read("sparse", { format: "stream" })).getReader();
    for (let chunk = 0; chunk < 10; chunk++) expect((await stream.read()).value?.length).toBeGreaterThan(0);
    await stream.cancel();
    expect(await text(sandbox, "echo alive")).toBe("alive");
    await sandbox.files.remove("sparse");
  });

  it("F-07 a file that shrinks or grows while it is read is an error or what was announced, never silently short", async () => {
    await text(sandbox, "truncate -s 64M moving");
    const stream = (await sandbox.files.read("moving", { format: "stream" })).getReader();
    let bytes = (await stream.read()).value!.length;
    await text(sandbox, "truncate -s 1M moving");
    const rest = async () => {
      for (let next = await stream.read(); !next.done; next = await stream.read()) bytes += next.value.length;
    };
    expect((await failure(rest)).outcome).toMatch(/unknown|completed|not_started/);
    expect(bytes).toBeLessThan(64 * 2 ** 20);
    const growing = (await sandbox.files.read("moving", { format: "stream" })).getReader();
    let seen = (await growing.read()).value!.length;
    await text(sandbox, "truncate -s 8M moving");
    const end = (async () => {
      for (let next = await growing.read(); !next.done; next = await growing.read()) seen += next.value.length;
    })();
    await end.catch(() => undefined);
    expect(seen).toBe(2 ** 20);
    expect(await text(sandbox, "echo alive")).toBe("alive");
    await sandbox.files.remove("moving");
  });
});

describe("F-13 large directories and names that are no text", () => {
  it("F-13 five thousand entries are paged, complete and sorted", async () => {
    await text(
      sandbox,
      "mkdir many && cd many && python3 -c \"[open('e%05d' % n, 'x').close() for n in range(5001)]\"",
    );
    const names: string[] = [];
    for await (const { name } of sandbox.files.entries("many")) names.push(name);
    expect(names).toEqual(Array.from({ length: 5001 }, (_, n) => `e${String(n).padStart(5, "0")}`));
    const page = await scene.api.json("GET", "/v1/sandboxes/paths/files/list?path=many&limit=5000");
    expect([page.body.entries.length, page.body.next]).toEqual([5000, expect.any(String)]);
    expect((await scene.api.json("GET", "/v1/sandboxes/paths/files/list?path=many&limit=5001")).status).toBe(400);
    expect(await sandbox.files.remove("many", { recursive: true })).toBe(5002);
  });

  it("F-13 names that are not UTF-8 arrive as their bytes and go with their directory", async () => {
    await text(
      sandbox,
      `mkdir raw && cd raw && python3 -c "import os;[open(n,'x').close() for n in (b'\\xff\\xfe', b'a\\x80', b'plain')];os.symlink(b'\\xff', b'link')"`,
    );
    const entries = await sandbox.files.list("raw");
    const bytes = entries.map(({ name, nameBytes }) => Buffer.from(nameBytes ?? Buffer.from(name)).toString("hex"));
    expect(bytes.sort()).toEqual(["6180", "6c696e6b", "706c61696e", "fffe"].sort());
    expect(entries.find(({ name }) => name === "link")).toMatchObject({ type: "symlink", target: "\ufffd" });
    expect(await sandbox.files.remove("raw", { recursive: true })).toBe(5);
  });
});

describe("F-17 F-15 what a written file is like", () => {
  it("F-17 mode, time, owner and exclusive creation are exact", async () => {
    const modifiedAt = new Date("2001-02-03T04:05:06.789Z");
    await sandbox.files.write("exact", "x", { mode: 0o640, modifiedAt });
    expect(await sandbox.files.stat("exact")).toMatchObject({ mode: 0o640, modifiedAt, uid: 1000, gid: 1000, size: 1 });
    expect(await text(sandbox, "stat -c '%a %Y %U %G' exact")).toBe("640 981173106 user user");
    expect(await verdict(sandbox.files.write("exact", "y", { exclusive: true }))).toBe("GuestAgentError FILE_EXISTS");
    expect(await sandbox.files.read("exact")).toBe("x");
    await sandbox.files.write("fresh", "y", { exclusive: true });
    await sandbox.files.write("exact", "+", { append: true });
    expect(await sandbox.files.read("exact")).toBe("x+");
    expect((await sandbox.files.stat("exact")).mode).toBe(0o640);
    await text(sandbox, "ln -sfn nowhere/real dangle");
    expect(await verdict(sandbox.files.write("dangle", "y", { exclusive: true }))).toBe("GuestAgentError FILE_EXISTS");
    const racers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => sandbox.files.write("raced", `${n}`, { exclusive: true })),
    );
    expect(racers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  it("F-15 setuid, setgid and sticky are dropped", async () => {
    await sandbox.files.write("suid", "x", { mode: 0o777 });
    expect(
      (await failure(sandbox.files.write("suid", "x", { mode: 0o4755 })).catch(() => null))?.name ?? "dropped",
    ).toMatch(/InvalidArgument|dropped/);
    await text(sandbox, "chown root suid; chmod 4755 suid", root);
    await sandbox.files.write("suid", "new content");
    expect((await sandbox.files.stat("suid")).mode & 0o7000).toBe(0);
    expect(await sh(sandbox, "stat -c %a suid")).toMatchObject({ stdout: "755\n" });
  });
});
