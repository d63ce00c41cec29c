import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { isSandboxError } from "@mvm/protocol/errors";
import { expect, onTestFinished, test } from "vitest";
import {
  BuildContext,
  emptyConfig,
  interpret,
  packArchive,
  parseDockerfile,
  stagesOf,
  type WantedCopy,
} from "../src/index.js";

function read(text: string, given: Record<string, string> = {}, target?: string) {
  const { from, chain, global } = stagesOf(parseDockerfile(text), given, target);
  return { from, ...interpret(chain, emptyConfig, given, global) };
}

test("every instruction that is supported means what it means to Docker", () => {
  const { from, steps, config } = read(
    `# a comment
ARG BASE=python
FROM $BASE AS build
ARG V=1 W
ENV A=one B="two words" PATH=/app:$PATH
ENV C=\${A}+\${NO:-none} A=later
ENV A=one
RUN echo \\
  # inside
  "$V  x" \\

  && true
WORKDIR /srv
WORKDIR app
COPY --chown=user:user --chmod=755 a "b c" sub/
COPY ["x y", "."]
USER user:group
RUN ["make", "all now"]
LABEL maker=me "key two"='single $A'
EXPOSE 80 53/udp
ENTRYPOINT ["app", "--serve"]
CMD --port 80
`,
    { W: "w" },
  );
  expect(from).toBe("python");
  const env = { A: "one", B: "two words", C: "one+none", PATH: expect.stringMatching(/^\/app:\/usr\/local/) as string };
  expect(steps).toMatchObject([
    {
      kind: "run",
      argv: ["/bin/sh", "-c", 'echo   "$V  x"   && true'],
      env: { ...env, V: "1", W: "w" },
      user: "root",
      cwd: "/",
    },
    { kind: "directory", path: "/srv" },
    { kind: "directory", path: "/srv/app" },
    {
      kind: "wanted-copy",
      line: 15,
      sources: ["a", "b c"],
      to: "/srv/app/sub/",
      owner: "user:user",
      mode: "755",
      add: false,
    },
    { kind: "wanted-copy", sources: ["x y"], to: "/srv/app/" },
    { kind: "run", argv: ["make", "all now"], user: "user", cwd: "/srv/app" },
  ]);
  expect(config).toMatchObject({
    ...{ env, cwd: "/srv/app", user: "user", ports: ["53/udp", "80/tcp"] },
    ...{ labels: { maker: "me", "key two": "single $A" }, entrypoint: ["app", "--serve"] },
    command: ["/bin/sh", "-c", "--port 80"],
  });
});

test("a stage goes on with the stage it starts from, and ARGs end with their stage", () => {
  const text = `FROM python AS one
ARG SECRET=s
RUN one
FROM node AS other
RUN other
FROM one AS two
RUN two
`;
  expect(read(text)).toMatchObject({
    from: "python",
    steps: [{ text: "RUN one", env: { SECRET: "s" } }, { text: "RUN two" }],
  });
  expect((read(text).steps[1] as { env: object }).env).toEqual({});
  expect(read(text, {}, "other")).toMatchObject({ from: "node", steps: [{ text: "RUN other" }] });
  expect(read(text, {}, "0").steps).toHaveLength(1);
});

test.each([
  ["RUN x", 1, "before the first FROM"],
  ["FROM a\nHEALTHCHECK NONE", 2, "HEALTHCHECK"],
  ["FROM a\nVOLUME /x", 2, "VOLUME"],
  ["FROM a\n\nFORM b", 3, "FORM"],
  ["FROM a\nRUN --mount=type=cache,target=/x y", 2, "--mount"],
  ["FROM a\nRUN --network=none y", 2, "--network"],
  ["FROM --platform=arm64 a", 1, "--platform"],
  ["FROM a\nRUN <<EOF\nx\nEOF", 2, "here-document"],
  ["FROM a\nADD --from=b /x /y", 2, "--from"],
  ["FROM a\nADD https://x.test/y /z", 2, "does not download"],
  ["FROM a\nCOPY x", 2, "destination"],
  ["FROM a\nCOPY --chmod=u+x x y", 2, "--chmod"],
  ["FROM a\nCOPY --chown=-R x y", 2, "--chown"],
  ["FROM a\nENV broken", 2, "NAME=VALUE"],
  ["FROM a\nUSER -x", 2, "USER"],
  ["FROM a\nEXPOSE http", 2, "EXPOSE"],
  ["# nothing", 1, "no FROM"],
])("%j is refused with its line", (text, line, what) => {
  const failure = (() => {
    try {
      read(text);
    } catch (error) {
      return error;
    }
    return undefined;
  })();
  expect(isSandboxError(failure) && failure.code).toBe("INVALID_ARGUMENT");
  expect((failure as Error).message).toContain(`line ${line} `);
  expect((failure as Error).message).toContain(what);
});

test("no text makes it do anything but read or refuse", () => {
  const word = fc.constantFrom(
    "FROM",
    "RUN",
    "COPY",
    "ENV",
    "ARG",
    "\\",
    "\n",
    " ",
    "$",
    "${",
    "}",
    '"',
    "'",
    "[",
    "<<E",
    "#",
    "a=b",
    "--x=y",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string({ maxLength: 4 })), { maxLength: 40 }), (parts) => {
      try {
        read(parts.join(""));
      } catch (error) {
        if (!isSandboxError(error)) throw error;
      }
    }),
    { numRuns: 2_000 },
  );
});

function files(tree: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), "mvm-context-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, content] of Object.entries(tree)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

const copy = (...sources: string[]): WantedCopy => ({
  ...{ kind: "wanted-copy", line: 7, text: "COPY", sources, to: "/x/", owner: "", mode: null },
  ...{ add: false, from: null },
});

test("a copy takes what the context has and .dockerignore leaves in, packed the same every time", async () => {
  const root = files({
    ".dockerignore": "*.log\nnode_modules\n!keep.log\n",
    "a.txt": "a",
    "b.txt": "b",
    "x.log": "x",
    "keep.log": "k",
    "src/deep/file": "f",
    "node_modules/m/index.js": "m",
  });
  symlinkSync("/etc/passwd", join(root, "src/link"));
  const context = await BuildContext.open(root);
  const listed = async (...sources: string[]): Promise<string[]> => {
    const to = join(mkdtempSync(join(tmpdir(), "mvm-archive-")), "a.tar");
    onTestFinished(() => rmSync(dirname(to), { recursive: true }));
    await packArchive(context.sources(copy(...sources)), to, { directory: dirname(to), log: join(dirname(to), "log") });
    return execFileSync("tar", ["-tvf", to])
      .toString()
      .trim()
      .split("\n")
      .map((line) => line.replace(/^(\S)\S+ (\S+) .*\d\d:\d\d (.*)$/, "$1 $2 $3"));
  };
  expect(await listed("*.txt", "keep.log")).toEqual([
    "- 0/0 0/file/a.txt",
    "- 0/0 1/file/b.txt",
    "- 0/0 2/file/keep.log",
  ]);
  expect(await listed("src")).toEqual([
    "d 0/0 0/dir/",
    "d 0/0 0/dir/deep/",
    "- 0/0 0/dir/deep/file",
    "l 0/0 0/dir/link -> /etc/passwd",
  ]);
  expect((await listed(".")).join()).not.toMatch(/node_modules|x\.log/);
  const hash = async () => {
    const to = join(mkdtempSync(join(tmpdir(), "mvm-archive-")), "a.tar");
    onTestFinished(() => rmSync(dirname(to), { recursive: true }));
    const place = { directory: dirname(to), log: join(dirname(to), "log") };
    return (await packArchive(context.sources(copy(".")), to, place)).sha256;
  };
  const before = await hash();
  utimesSync(join(root, "a.txt"), 1, 1);
  expect(await hash()).toBe(before);
  writeFileSync(join(root, "a.txt"), "other");
  expect(await hash()).not.toBe(before);
});

test("a copy cannot leave the context", async () => {
  const root = files({ "in/a": "a", "app.tar.gz": "t" });
  symlinkSync("/etc", join(root, "etc"));
  const context = await BuildContext.open(root);
  for (const source of ["../secret", "in/../../secret", "/../x", "missing", "etc/passwd", "*.nothing"]) {
    expect(() => context.sources(copy(source)), source).toThrow(/line 7/);
  }
  expect(() => context.sources({ ...copy("app.tar.gz"), add: true })).toThrow(/archive/);
  expect(context.sources(copy("/in"))).toMatchObject([{ kind: "dir" }]);
});

test("a copy from elsewhere names a stage before its own, by name or number, or an image", () => {
  const text = `FROM python AS first
RUN one
FROM node AS first
RUN two
FROM first
RUN three
FROM minimal AS last
COPY --from=FIRST --chown=user /a b /to/
COPY --from=0 ["/c d", "/e"]
COPY --from=2 /f /g
COPY --from=registry.example/tool:1 /h /i
FROM minimal AS later
`;
  const stages = stagesOf(parseDockerfile(text), {}, "last");
  const { steps } = interpret(stages.chain, emptyConfig, {}, stages.global);
  const copies = steps.filter((step) => step.kind === "wanted-copy");
  expect(copies.map(({ from, sources, to }) => [from?.name, from?.line, sources, to])).toEqual([
    ["FIRST", 8, ["/a", "b"], "/to/"],
    ["0", 9, ["/c d"], "/e"],
    ["2", 10, ["/f"], "/g"],
    ["registry.example/tool:1", 11, ["/h"], "/i"],
  ]);
  const chains = copies.map(({ from }) => {
    const found = stages.source(from!);
    return found && [found.from, ...found.chain.map(({ index }) => index)];
  });
  // The last stage of a name counts; one that starts from another is made of both.
  expect(chains).toEqual([["node", 1], ["python", 0], ["node", 1, 2], undefined]);
});

test.each(["later", "3", "self"])(
  "a copy from the stage %s, which is not finished, is refused with its line",
  (name) => {
    const text = `FROM a\nFROM b AS self\nRUN x\nCOPY --from=${name} /x /y\nFROM c AS later\nFROM d`;
    const stages = stagesOf(parseDockerfile(text), {}, "self");
    expect(() => stages.source({ name, stage: 1, line: 4 })).toThrow(/line 4 .*not built before/);
  },
);
