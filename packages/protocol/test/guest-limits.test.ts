import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { limits } from "../src/limits.js";
import { channelGeneration } from "../src/schemas.js";

const source = readFileSync(new URL("../../../guest/src/limits.rs", import.meta.url), "utf8");
const guest = new Map(
  [...source.matchAll(/^pub const (\w+): \w+ = ([\d_]+);/gm)].map(([, name, value]) => [
    name,
    Number(value?.replaceAll("_", "")),
  ]),
);

test.each([
  ["GENERATION", channelGeneration],
  ["HEADER_BYTES", limits.frameHeaderBytes],
  ["MAX_PAYLOAD", limits.framePayloadBytes],
  ["MAX_JSON", limits.messageBytes],
  ["MAX_STREAMS", limits.streams],
  ["MAX_CONNECTIONS", limits.connections],
  ["MAX_COMMANDS", limits.commands],
  ["INITIAL_CREDIT", limits.initialCreditBytes],
])("the guest's %s is the host's limit", (name, value) => {
  expect(guest.get(name)).toBe(value);
});
