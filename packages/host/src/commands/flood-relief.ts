import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Bytes of guests' output after which their buffers are collected. */
const portion = 2 * 1024 * 1024;

type Collect = (options: { type: "minor" }) => void;
let collect: Collect | undefined;
let passed = 0;

/**
 * Counts output that went through. V8 lets tens of megabytes of dead socket buffers pile up before it looks, because
 * the objects that own them are tiny; a flood would raise the daemon by that much for good. A young collection every
 * other megabyte takes about a millisecond and keeps it flat.
 */
export function outputPassed(bytes: number): void {
  passed += bytes;
  if (passed < portion) return;
  passed = 0;
  collect ??= exposedCollector();
  collect({ type: "minor" });
}

function exposedCollector(): Collect {
  setFlagsFromString("--expose-gc");
  const found = runInNewContext("gc") as Collect;
  setFlagsFromString("--no-expose-gc");
  return found;
}
