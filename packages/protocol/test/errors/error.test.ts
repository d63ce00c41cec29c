import { describe, expect, test } from "vitest";
import {
  type CommandResult,
  commandResultFromDocument,
  commandResultToDocument,
  createError,
  errorClasses,
  type ErrorName,
  errorTable,
  errorTree,
  fromAgentError,
  fromDocument,
  isSandboxError,
  SandboxError,
  toSandboxError,
} from "../../src/index.js";
import { checker, ErrorDocumentSchema } from "../../src/schemas.js";

const result: CommandResult = {
  exitCode: 3,
  signal: null,
  stdout: "out",
  stderr: "",
  stdoutBytes: 3,
  stderrBytes: 0,
  stdoutTruncated: false,
  stderrTruncated: false,
  timedOut: false,
  oomKilled: false,
  durationMs: 1,
  runId: "run_x",
  auditId: null,
  sandboxId: "sbx_x",
  timings: { createMs: null, execMs: 1, totalMs: 1, start: "pool" },
  isolation: { backend: "qemu", accel: "tcg", isolation: "emulated" },
  receipt: null,
};

/** Something for every extra field of every class. */
const extras = {
  result,
  rule: "network.default",
  state: "stopped",
  reason: "ttl",
  backend: "memory",
  feature: "fork",
  expectedUid: 0,
  actualUid: 1,
  stderr: "qemu-img: no",
  errorClass: "GenericError",
  response: { kind: "io", errno: "EIO", message: "/x: EIO", outcome: "unknown" },
};

describe("an error", () => {
  test.each(Object.keys(errorTree) as ErrorName[])("%s survives its document", (name) => {
    const make = errorClasses[name] as new (details: object) => SandboxError;
    const error = new make({
      message: "Cannot do it: it is so",
      hint: "Do something else",
      outcome: "completed",
      operation: "a.b",
      sandboxId: "sbx_x",
      runId: "run_x",
      auditId: "evt_x",
      context: { n: 1, argument: "cpu" },
      ...extras,
    });
    const document = error.toDocument();
    checker(ErrorDocumentSchema, "document")(document);
    expect(Object.keys(document.error)).toEqual(expect.arrayContaining([...errorTree[name].fields]));
    const again = fromDocument(JSON.parse(JSON.stringify(document)));
    expect(again).toBeInstanceOf(errorClasses[name]);
    expect(again.name).toBe(name);
    expect(again.toDocument()).toEqual(document);
    expect(again.transient).toBe(
      /^(Transient|Vm(Transient|BootTimeout|Overlay|QemuCrash|Network|Capacity)|Balloon|CommunicationT)/.test(name),
    );
    expect(again.permanent).toBe(/^(Permanent|Vm(Permanent|Config|Dependency))/.test(name));
  });

  test.each(Object.keys(errorTable))("%s has the class and defaults of its row", (code) => {
    const row = errorTable[code as keyof typeof errorTable];
    const error = createError(code as keyof typeof errorTable, { message: "Cannot: no", ...extras });
    expect(error).toMatchObject({ name: row.class, code, hint: row.hint, boundary: row.boundary, retry: row.retry });
  });

  test("keeps argv, environment, output and objects out of its context", () => {
    const { context } = new SandboxError({
      message: "m",
      context: {
        argv: "rm -rf",
        env: "A=b",
        stdout: "x",
        STDERR_DATA: "x",
        value: "v",
        token: "t",
        ok: "o".repeat(5000),
        o: {},
      },
    });
    expect(Object.keys(context)).toEqual(["ok"]);
    expect(context["ok"]).toHaveLength(1024);
  });

  test("of a newer version keeps its code and falls back to a known class", () => {
    const error = fromDocument({
      error: { code: "FUTURE", name: "FutureError", message: "Cannot: new", retry: "soon" },
    });
    expect(error).toMatchObject({ name: "SandboxError", code: "FUTURE", retry: "ask", outcome: "unknown" });
    expect(fromDocument({ error: { code: "FUTURE", name: "PolicyDenied", message: "m" } }).name).toBe("PolicyDenied");
    expect(fromDocument({ error: { code: "COMMAND_FAILED", message: "m" } }).name).toBe("SandboxError");
  });

  test.each([null, 5, "text", {}, { error: 1 }, { error: { message: 5 } }, []])(
    "%j is no error document",
    (document) => {
      expect(fromDocument(document).code).toBe("PROTOCOL_VIOLATION");
    },
  );

  test("of another copy of the package is recognised", () => {
    expect(isSandboxError({ [Symbol.for("@mvm/protocol/SandboxError")]: true })).toBe(true);
    expect([null, undefined, 1, {}, new Error("x")].some(isSandboxError)).toBe(false);
  });

  test("a command's result survives its document", () => {
    expect(commandResultFromDocument(commandResultToDocument(result))).toEqual(result);
    const binary = { ...result, stdoutBase64: "/w==", timings: null, isolation: null };
    expect(commandResultFromDocument(commandResultToDocument(binary))).toEqual(binary);
  });
});

describe("the door for foreign failures", () => {
  const failure = (code: string, syscall = "") => Object.assign(new Error(`${syscall} ${code}`), { code, syscall });
  const sent = { dispatched: true, operation: "x.y" };
  const unsent = { dispatched: false, operation: "x.y" };

  test.each([
    [failure("ENOENT", "connect"), unsent, "DAEMON_UNAVAILABLE", "not_started"],
    [failure("ECONNREFUSED", "connect"), unsent, "DAEMON_UNAVAILABLE", "not_started"],
    [failure("EACCES", "connect"), unsent, "TRANSPORT_FAILED", "not_started"],
    [failure("EAGAIN", "connect"), unsent, "COMMUNICATION_TRANSIENT", "not_started"],
    [failure("EPIPE", "write"), sent, "OUTCOME_UNKNOWN", "unknown"],
    [failure("ECONNRESET", "read"), sent, "OUTCOME_UNKNOWN", "unknown"],
    [failure("ECONNRESET"), { ...sent, idempotent: true }, "TRANSPORT_FAILED", "unknown"],
    [failure("ECONNRESET"), unsent, "TRANSPORT_FAILED", "not_started"],
    [failure("ENOSPC", "write"), sent, "VM_CAPACITY", "unknown"],
    [failure("EMFILE", "open"), unsent, "VM_CAPACITY", "not_started"],
    [failure("ENOMEM", "spawn"), unsent, "VM_CAPACITY", "not_started"],
    [failure("EAGAIN", "spawn qemu"), unsent, "VM_CAPACITY", "not_started"],
    [failure("ENOENT", "spawn qemu"), unsent, "VM_DEPENDENCY", "not_started"],
    [failure("ETIMEDOUT", "read"), sent, "DEADLINE_EXCEEDED", "unknown"],
    [new DOMException("late", "TimeoutError"), sent, "DEADLINE_EXCEEDED", "unknown"],
    [new TypeError("bug"), sent, "INTERNAL", "unknown"],
    ["a string", unsent, "INTERNAL", "not_started"],
    [undefined, unsent, "INTERNAL", "not_started"],
    [{ odd: true }, unsent, "INTERNAL", "not_started"],
  ])("%o at %o is %s with the outcome %s", (thrown, at, code, outcome) => {
    const error = toSandboxError(thrown, at);
    expect(error).toMatchObject({ code, outcome, operation: "x.y" });
    expect(error.message).toMatch(/^Cannot finish x\.y: /);
  });

  test("errors of mvm pass unchanged", () => {
    const error = new SandboxError({ message: "m" });
    expect(toSandboxError(error, sent)).toBe(error);
  });

  test("answers of the agent become the code of their kind", () => {
    const answer = { kind: "not_found", errno: "ENOENT", message: "/x: ENOENT", outcome: "not_started" } as const;
    const at = { operation: "files.read", sandboxId: "sbx_x" };
    expect(fromAgentError(answer, { ...at, op: "read" })).toMatchObject({
      name: "GuestAgentError",
      code: "FILE_NOT_FOUND",
      response: answer,
      context: { errno: "ENOENT", kind: "not_found" },
    });
    expect(fromAgentError(answer, { ...at, op: "attach" }).code).toBe("PROCESS_NOT_FOUND");
    const home = { ...answer, kind: "denied", message: "/home/user: the home directory is refused" } as const;
    const kept = fromAgentError(home, { ...at, op: "remove" });
    expect([kept.code, kept.hint.includes("Remove what is in it instead")]).toEqual(["FILE_DENIED", true]);
    expect(fromAgentError(home, { ...at, op: "read" }).hint).toContain("outside /proc");
    const denied = fromAgentError({ ...answer, kind: "denied" }, { ...at, op: "read" });
    expect(denied).toMatchObject({ name: "PolicyDenied", boundary: "filesystem", rule: "files.path" });
  });
});
