#!/usr/bin/env node
/**
 * The floor of a start: one raw machine that runs `true` twice.
 * Prints one JSON line: {"first_ms": spawn to the end of the first command, "second_ms": the second command}.
 *
 * usage: floor.mjs TEMPLATE_DIRECTORY IMAGE_FILE              restores
 *        floor.mjs TEMPLATE_DIRECTORY IMAGE_FILE BOOT_DIRECTORY boots the same machine from its kernel instead
 */
import process from "node:process";
import { rawMachine } from "./raw-machine.mjs";

const [template, image, directory] = process.argv.slice(2);
const boot = directory && { directory, tscKhz: process.env["TSC_KHZ"] };
const machine = await rawMachine({ template, image, boot: boot || undefined });
try {
  const first = await machine.command();
  const second = await machine.command();
  console.log(JSON.stringify({ first_ms: first, second_ms: second - first }));
} finally {
  machine.kill();
}
process.exit();
