import type { SandboxState } from "@mvm/protocol";
import { describe, expect, test } from "vitest";
import { requireLive, unavailable } from "../../src/sandboxes/state.js";
import type { Sandbox } from "../../src/sandboxes/sandbox.js";

const sandboxIn = (state: SandboxState, over: object = {}) =>
  ({
    id: "sbx_1",
    plan: { name: "box" },
    state,
    reason: null,
    live: null,
    stopping: null,
    destroying: null,
    ...over,
  }) as unknown as Sandbox;

describe("a call that a sandbox cannot serve in its state", () => {
  test.each([
    ["paused", "`mvmctl resume box`"],
    ["cold", "`mvmctl resume box`"],
    ["stopped", "`mvmctl start box`"],
    ["creating", "Wait until it runs"],
    ["restoring", "Wait until it runs"],
    ["failed", "why it ended"],
    ["destroyed", "why it ended"],
  ] as const)("%s: its hint says %s", (state, hint) => {
    const error = unavailable(sandboxIn(state), "use files of");
    expect(error).toMatchObject({ code: "SANDBOX_UNAVAILABLE", state });
    expect(error.hint).toContain(hint);
    expect(() => requireLive(sandboxIn(state), "use files of")).toThrow(error.message);
  });

  test("one without a name is named by its id, and one that is being stopped is not to be started", () => {
    expect(unavailable(sandboxIn("paused", { plan: { name: null } }), "x").hint).toContain("`mvmctl resume sbx_1`");
    const stopping = unavailable(sandboxIn("running", { stopping: Promise.resolve() }), "x");
    expect([stopping.message.includes("it is being stopped"), stopping.hint.includes("start")]).toEqual([true, false]);
  });
});
