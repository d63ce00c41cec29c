#!/usr/bin/env node
/**
 * The floor of a burst: COUNT raw machines, as many starting at once as there are cores, each until its first `true` has
 * answered; all stay until the last one has. Prints one JSON line: {"answered_ms": [one a machine, from the beginning]}.
 *
 * usage: floor-burst.mjs TEMPLATE_DIRECTORY IMAGE_FILE COUNT
 */
import { availableParallelism } from "node:os";
import process from "node:process";
import { rawMachine } from "./raw-machine.mjs";

const [template, image, count] = process.argv.slice(2);
const begin = performance.now();
const machines = [];
const answered = [];
let left = Number(count);
async function lane() {
  while (left-- > 0) {
    const machine = await rawMachine({ template, image });
    machines.push(machine);
    await machine.command();
    answered.push(performance.now() - begin);
  }
}
try {
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  console.log(JSON.stringify({ answered_ms: answered }));
} finally {
  for (const machine of machines) machine.kill();
}
process.exit();
