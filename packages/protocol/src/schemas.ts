/** Every TypeBox schema. For the daemon and tests: importing this loads TypeBox, the package's root does not. */
export * from "./agent/answers.js";
export * from "./agent/checkers.js";
export * from "./agent/errors.js";
export * from "./agent/events.js";
export * from "./agent/requests.js";
export * from "./agent/session.js";
export * from "./api/commands.js";
export * from "./api/errors.js";
export * from "./api/events.js";
export * from "./api/files.js";
export * from "./api/host.js";
export * from "./api/images.js";
export * from "./api/observe.js";
export * from "./api/plan-parts.js";
export * from "./api/results.js";
export * from "./api/sandboxes.js";
export * from "./api/snapshots.js";
export { type Checker, checker } from "./checkers.js";
