import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  EnvVarValidationError,
  formatDuration,
  InvalidArgumentError,
  limits,
  newId,
  parseDuration,
  parseSize,
  parseSizeMb,
  validateArgv,
  validateCpu,
  validateDiskMb,
  validateEnv,
  validateGuestPath,
  validateImage,
  validateMaxOutputBytes,
  validateMemoryMb,
  validateMode,
  validateName,
  validatePid,
  validatePort,
  validateRef,
  validateShell,
  validateTags,
  validateTimeoutMs,
  validateTimeoutSeconds,
  validateTtlSeconds,
  validateUser,
} from "../../src/index.js";
import { seed } from "../support/seed.js";

const numbers = {
  memory: [validateMemoryMb, limits.memoryMinMb, limits.memoryMaxMb],
  cpu: [validateCpu, limits.cpuMin, limits.cpuMax],
  disk: [validateDiskMb, limits.diskMinMb, limits.diskMaxMb],
  ttl: [validateTtlSeconds, limits.ttlMinSeconds, limits.ttlMaxSeconds],
  timeout: [validateTimeoutMs, limits.timeoutMinMs, limits.timeoutMaxMs],
  "max output": [validateMaxOutputBytes, 0, limits.outputMaxBytes],
  port: [validatePort, 1, 65_535],
  mode: [validateMode, 0, 0o7777],
  pid: [validatePid, 1, 4_194_304],
} as const;

describe("numbers", () => {
  describe.each(Object.entries(numbers))("%s", (argument, [validate, least, most]) => {
    test.each([least, most, Math.floor((least + most) / 2)])("%d is accepted", (value) => {
      expect(validate(value)).toBe(value);
    });

    const wrong = [
      least - 1,
      most + 1,
      -1,
      least + 0.5,
      NaN,
      Infinity,
      -Infinity,
      1e300,
      String(least),
      "",
      null,
      undefined,
      true,
      {},
      [least],
      1n,
    ];
    test.each(wrong)("%s is refused with the same text", (value) => {
      expect(() => validate(value)).toThrow(InvalidArgumentError);
      expect(() => validate(value)).toThrow(
        new RegExp(`^Cannot use .* as ${argument}: it is not a whole number( of \\w+)? from ${least} to ${most}$`),
      );
    });
  });

  test("the texts are these", () => {
    const text = (call: () => unknown): string => {
      try {
        return String(call());
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(text(() => validateMemoryMb(0))).toBe(
      "Cannot use 0 as memory: it is not a whole number of MiB from 128 to 1048576",
    );
    expect(text(() => validateCpu("2"))).toBe('Cannot use "2" as cpu: it is not a whole number from 1 to 16');
    expect(text(() => validateTimeoutSeconds(Infinity))).toBe(
      "Cannot use Infinity as timeout: it is not a number of seconds from 0.001 to 2147483.647",
    );
  });

  test.each([0, -1, NaN, Infinity, 2 ** 31 / 1000, 0.0001, "5", null])(
    "a timeout of %s seconds is refused",
    (value) => {
      expect(() => validateTimeoutSeconds(value)).toThrow(InvalidArgumentError);
    },
  );

  test("seconds become milliseconds", () => {
    expect([0.001, 1.5, 30].map(validateTimeoutSeconds)).toEqual([1, 1500, 30_000]);
  });
});

describe("names", () => {
  test.each(["a", "A.b_c-9", "0", "x".repeat(63), "sbx_box"])("%s is a name", (name) =>
    expect(validateName(name)).toBe(name),
  );
  test.each(["", "-a", ".a", "_a", "a b", "a/b", "ä", "a\n", "x".repeat(64), newId("sbx"), 5, null])(
    "%s is none",
    (name) => {
      expect(() => validateName(name)).toThrow(/^Cannot use .* as name: it is not 1 to 63 letters/);
    },
  );
  test("users, references and images", () => {
    for (const user of ["user", "root", "1000", "1000:1000", "_apt", "a-b"]) expect(validateUser(user)).toBe(user);
    for (const user of ["", "a b", "1000:", ":5", "a:b", "-x", "x".repeat(65)])
      expect(() => validateUser(user)).toThrow(InvalidArgumentError);
    expect(validateRef(newId("sbx"))).toMatch(/^sbx_/);
    expect(() => validateRef("../x")).toThrow(InvalidArgumentError);
    expect(validateImage("nix:./flake#agent-runtime")).toBe("nix:./flake#agent-runtime");
    for (const image of ["", "a b", "x".repeat(513), "a\n"])
      expect(() => validateImage(image)).toThrow(InvalidArgumentError);
  });
});

describe("environments", () => {
  test.each<[string, unknown]>([
    ["no object", null],
    ["a list", []],
    ["an empty name", { "": "" }],
    ["= in a name", { "A=B": "" }],
    ["NUL in a name", { "A\0": "" }],
    ["a line end in a name", { "A\n": "" }],
    ["a leading digit", { "1A": "" }],
    ["a long name", { ["A".repeat(257)]: "" }],
    ["a number", { A: 1 }],
    ["null", { A: null }],
    ["NUL in a value", { A: "a\0b" }],
    ["half a pair", { A: "\ud800" }],
    ["a value that is too long", { A: "x".repeat(limits.envValueBytes + 1) }],
    ["1 001 variables", Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`A${i}`, ""]))],
    [
      "more than 1 MiB together",
      Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`A${i}`, "x".repeat(120_000)])),
    ],
  ])("%s is refused, without its value", (_, env) => {
    expect(() => validateEnv(env)).toThrow(EnvVarValidationError);
    expect(() => validateEnv(env)).not.toThrow(/xxx|a\\0b/);
  });

  test("everything else is kept exactly", () => {
    const env = { A: "", _b: "x\ny=é", LD_PRELOAD: "/x", Z9: "x".repeat(limits.envValueBytes - 4) };
    expect(validateEnv(env)).toEqual(env);
    expect(
      Object.keys(validateEnv(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`A${i}`, ""])))),
    ).toHaveLength(1000);
    const polluted = JSON.parse('{"__proto__":"x"}') as unknown;
    expect(Object.keys(validateEnv(polluted))).toEqual(["__proto__"]);
  });
});

describe("commands", () => {
  test.each<[string, unknown]>([
    ["no list", "ls"],
    ["an empty list", []],
    ["an empty program", ["", "x"]],
    ["a number", ["ls", 1]],
    ["NUL", ["ls", "a\0"]],
    ["half a pair", ["ls", "\udc00"]],
    ["too many", Array.from({ length: 100_001 }, () => "")],
    ["too long together", Array.from({ length: 20 }, () => "x".repeat(110_000))],
    ["one too long for the kernel", ["ls", "x".repeat(131_072)]],
  ])("%s is refused, without what it holds", (_, argv) => {
    expect(() => validateArgv(argv)).toThrow(/^Cannot run the command: /);
    expect(() => validateArgv(argv)).not.toThrow(/xxx/);
  });

  test("limits are exact", () => {
    expect(validateArgv(["x".repeat(131_071)])).toHaveLength(1);
    expect(validateArgv(Array.from({ length: 100_000 }, (_, i) => (i === 0 ? "a" : "")))).toHaveLength(100_000);
    expect(validateShell("x".repeat(131_071))).toHaveLength(131_071);
    expect(() => validateShell("x".repeat(131_072))).toThrow(InvalidArgumentError);
    expect(() => validateShell("")).toThrow(InvalidArgumentError);
  });
});

describe("paths in the guest", () => {
  const literal = [
    "/",
    ".",
    "x",
    "/etc/x",
    "//x",
    "./a",
    "a/./b",
    "a/",
    "...",
    "....//",
    "..a",
    "a..",
    "%2e%2e",
    "%2e%2e/x",
    "..\\x",
    "\\..\\",
    "~",
    "~/x",
    "$HOME",
    "a b",
    " ",
    "-rf",
    "a\nb",
    "\u001b[31m",
    "\u202e",
    "é",
    "e\u0301",
    "/proc/x",
    "*",
    "'\"",
    "C:\\x",
    "file:///x",
    "\u2025/x",
    "．．/x",
    "x".repeat(255),
    "é".repeat(127),
    `/${"a/".repeat(2047)}`,
  ];
  test.each(literal)("%j is literal", (path) => expect(validateGuestPath(path)).toBe(path));

  const refused: [unknown, string][] = [
    ["", "it is empty"],
    ["\0", "it holds a NUL character"],
    ["a\0b", "it holds a NUL character"],
    ["..", 'it has the component ".."'],
    ["../x", 'it has the component ".."'],
    ["/..", 'it has the component ".."'],
    ["a/../x", 'it has the component ".."'],
    ["a/../../x", 'it has the component ".."'],
    ["/a/b/..", 'it has the component ".."'],
    ["../", 'it has the component ".."'],
    ["x".repeat(256), "a component is longer than 255 bytes"],
    [`/a/${"é".repeat(128)}/b`, "a component is longer than 255 bytes"],
    [`/${"a/".repeat(2048)}`, "it is longer than 4096 bytes"],
    ["\ud800", "it is not valid Unicode"],
    [5, "it is not a string"],
    [null, "it is not a string"],
    [undefined, "it is not a string"],
    [Buffer.from("x"), "it is not a string"],
  ];
  test.each(refused)("%j is refused", (path, why) => {
    expect(() => validateGuestPath(path)).toThrow(InvalidArgumentError);
    expect(() => validateGuestPath(path)).toThrow(why);
  });
});

describe("durations and sizes", () => {
  test.each([
    ["500ms", 500],
    ["60s", 60_000],
    ["30m", 1_800_000],
    ["1h30m", 5_400_000],
    ["1.5h", 5_400_000],
    ["7d", 604_800_000],
    ["0s", 0],
  ])("%s is %d ms", (text, milliseconds) => expect(parseDuration(text)).toBe(milliseconds));
  test.each(["", "5", "m", "-5s", "5 s", "5S", "1e3s", "5s3", "s5", "١s"])("%j is no duration", (text) => {
    expect(() => parseDuration(text, "ttl")).toThrow(/as ttl: it is not a duration/);
  });
  test(`what is written can be read (seed ${seed})`, () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 40 }),
        (milliseconds) => parseDuration(formatDuration(milliseconds)) === milliseconds,
      ),
      { seed },
    );
  });
  test.each([
    ["512M", 512 * 2 ** 20],
    ["2G", 2 ** 31],
    ["2GiB", 2 ** 31],
    ["64kb", 65_536],
    ["100B", 100],
    ["1.5G", 1.5 * 2 ** 30],
    ["1T", 2 ** 40],
  ])("%s is %d bytes", (text, bytes) => expect(parseSize(text)).toBe(bytes));
  test.each(["", "5", "M", "-1M", "1 M", "1X", "1MM"])("%j is no size", (text) => {
    expect(() => parseSize(text, "memory")).toThrow(/as memory: it is not a size/);
  });
  test("memory is in whole MiB", () => {
    expect(parseSizeMb("2G")).toBe(2048);
    expect(() => parseSizeMb("100K")).toThrow(/whole number of MiB/);
  });
});

test(`no validator throws anything else, whatever it is given (seed ${seed})`, () => {
  const validators = [
    validateName,
    validateRef,
    validateUser,
    validateImage,
    validateEnv,
    validateArgv,
    validateShell,
    validateGuestPath,
    validateTags,
    validateMemoryMb,
    validateTimeoutSeconds,
  ];
  fc.assert(
    fc.property(fc.anything(), fc.constantFrom(...validators), (value, validate) => {
      try {
        validate(value);
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidArgumentError);
        expect((error as Error).message).toMatch(/^Cannot [^\n]*[^.]$/);
      }
    }),
    { seed, numRuns: 2000 },
  );
});
