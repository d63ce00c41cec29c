//! The numbers both ends of the channel agree on; `packages/protocol/src/limits.ts` holds the same.

pub const GENERATION: u32 = 1;
pub const HEADER_BYTES: usize = 12;
pub const MAX_PAYLOAD: usize = 262_144;
pub const MAX_JSON: usize = 4_194_304;
pub const MAX_STREAMS: usize = 2_048;
pub const MAX_COMMANDS: usize = 256;
pub const INITIAL_CREDIT: u64 = 262_144;

/// Connections out of the machine, so that they leave streams for commands and files.
pub const MAX_CONNECTIONS: usize = 1_024;

// What follows is the agent's own business and not part of the protocol.

/// Payload of one DATA frame: small enough that streams take turns quickly, large enough that headers cost nothing.
pub const DATA_CHUNK: usize = 65_536;
/// Producers pause while this much waits for the port.
pub const OUTBOX_SOFT: usize = 524_288;
/// The port is not read while this much waits: a host that asks without reading slows itself down.
pub const OUTBOX_HARD: usize = 8_388_608;
/// Requests still being assembled, all streams together.
pub const MAX_ASSEMBLING: usize = 16_777_216;
/// Credit is returned in lumps of this size, so that small writes do not cost a frame each.
pub const CREDIT_LUMP: u64 = 65_536;
/// Extra window of a file upload; the agent writes it straight to the file and buffers nothing.
pub const UPLOAD_WINDOW: u64 = 1_048_576;
/// How long the second half of a rename is waited for.
pub const MOVE_PATIENCE_MS: u64 = 20;
/// Directories of one recursive watch.
pub const MAX_WATCHED: usize = 8_192;
/// Changes of a watch that wait for the host, in bytes; what comes beyond is one `overflow`.
pub const MAX_WATCH_LINES: usize = 1_048_576;
/// Stdin kept for a command over several sessions.
pub const MAX_STDIN: usize = 1_048_576;
/// A background child that holds a command's output open is let go after this much silence.
pub const DRAIN_SILENCE_MS: u64 = 100;
/// A command that SIGKILL does not end within this time is reported and given up.
pub const KILL_PATIENCE_MS: u64 = 10_000;
/// Results kept for an `attach` after the session that received them was lost.
pub const FINISHED_KEPT: usize = 64;
