/** The daemon's parts, for tests and tools. Clients speak to the daemon through `@mvm/protocol` and the socket. */
export { startDaemon, type Daemon, type DaemonOptions } from "./daemon/daemon.js";
export { openHome, stateRoot } from "./store/home.js";
export { homeLayout, type HomeLayout } from "./store/layout.js";
export { faultPoints } from "./observe/fault.js";
export type { Backend, BackendReport, Machine, MachineIdentity, MachineSpec } from "./backends/backend.js";
