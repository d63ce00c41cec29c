/** The low-level client that the CLI and the SDK share: no dependency beyond Node and `@mvm/protocol`. */
export { type Call, type RequestBody, segment } from "./call.js";
export { DaemonClient, type DaemonClientOptions, type RawAnswer } from "./daemon-client.js";
export { EventStream, type StreamEvent } from "./event-stream.js";
export { type HomeEnvironment, type HomePaths, homePaths, resolveHome } from "./home.js";
export { idempotencyHeader, newIdempotencyKey, retryOnce, validateIdempotencyKey } from "./idempotency.js";
export { launchDaemon } from "./launch.js";
export { ndjson } from "./ndjson.js";
export { probe } from "./probe.js";
export { retryTransient } from "./retry.js";
export { checkSocket } from "./socket.js";
