import { expect, test } from "vitest";
import { defineWorkload, InvalidArgumentError, NetworkPolicy, SecretRef } from "../src/index.js";

const least = { id: "a", image: "python", command: ["true"], resources: {} };

test("a declaration is returned as it is", () => {
  const workload = {
    ...least,
    network: NetworkPolicy.denyByDefault().allowHttps("api.example.com"),
    secrets: { KEY: SecretRef.from("key"), OTHER: { secret: "other" } },
  };
  expect(defineWorkload(workload)).toBe(workload);
});

test.each([
  [{ ...least, id: "A" }, /id: /],
  [{ ...least, command: [] }, /command: /],
  [{ ...least, resources: { memoryMb: 1 } }, /resources\/memoryMb: .*128/],
  [{ ...least, env: { KEY: "x" }, secrets: { KEY: SecretRef.from("key") } }, /secrets\/KEY: .*`env`/],
  [{ ...least, colour: 1 }, /colour: /],
])("%# is refused by its field", (workload, message) => {
  const declare = () => defineWorkload(workload);
  expect(declare).toThrow(InvalidArgumentError);
  expect(declare).toThrow(message);
});
