const KiB = 1024;
const MiB = 1024 * KiB;

/**
 * Every bound on what is read from a guest, a client, the network, the disk or argv. Sizes are bytes and durations
 * milliseconds unless the name says otherwise. Whoever reads checks before it allocates.
 */
export const limits = {
  /** Bytes of a frame's header. */
  frameHeaderBytes: 12,
  /** Payload of one frame; also the `length` a header may declare. */
  framePayloadBytes: 256 * KiB,
  /** JSON of one message, over all its frames. */
  messageBytes: 4 * MiB,
  /** Nesting of JSON from the other end. */
  jsonDepth: 64,
  /** Streams open at once in one session. */
  streams: 2048,
  /** Connections out of one sandbox, open at once. */
  connections: 1024,
  /** Rules of one network policy. */
  networkRules: 1000,
  /** A host name of a rule, with its wildcard. */
  hostLength: 255,
  /** Commands running at once in one sandbox. */
  commands: 256,
  /** Credit each stream starts with, in each direction. */
  initialCreditBytes: 256 * KiB,
  /** What the host discards at most while it looks for SYNC and WELCOME. */
  syncDiscardBytes: 16 * MiB,
  /** Zero bytes that complete any frame a dead daemon left unfinished. */
  syncFillBytes: 262_156,

  /** One line of an NDJSON stream of the HTTP API: both outputs at their maximum, every byte escaped as six. */
  ndjsonLineBytes: 256 * MiB,
  /** Body of a JSON request of the HTTP API. */
  requestBodyBytes: 8 * MiB,
  /** Idempotency key. */
  idempotencyKeyLength: 128,

  /** Length of a sandbox name. */
  nameLength: 63,
  /** Environment variables of one sandbox or command. */
  envVariables: 1000,
  envNameBytes: 256,
  envValueBytes: 128 * KiB,
  /** All names and values of one environment together. */
  envBytes: MiB,
  /** Entries and total bytes (each entry counts one more for its NUL) of an argv. */
  argvEntries: 100_000,
  argvBytes: 2 * MiB,
  /** One argument, also a command line for the shell: Linux takes at most 128 KiB with the NUL. */
  argumentBytes: 128 * KiB - 1,
  /** Path in the guest, and one component of it. */
  pathBytes: 4096,
  pathComponentBytes: 255,
  /** A file that is read as a whole; larger ones are streamed. */
  fileReadBytes: 256 * MiB,
  /** Entries of one page of a directory listing. */
  listPage: 1000,
  listPageMax: 5000,
  /** One change of a watch, as the guest tells it: two paths, every byte escaped as six. */
  watchLineBytes: 64 * KiB,
  tags: 64,
  tagKeyLength: 63,
  tagValueLength: 255,
  /** Machines that wait in one pool. */
  poolSize: 64,
  /** Forks made by one call. */
  forksAtOnce: 64,
  /** A user's or group's name in the guest. */
  userLength: 64,
  /** An image's name or reference. */
  imageLength: 512,
  /** Packages of one manager named in one build or call. */
  packagesAtOnce: 256,
  /** Stdin given inside the request; more goes through the stdin call. */
  stdinDataBytes: 4 * MiB,

  /** A command's time limit: more than 2^31-1 ms would fire at once in Node. */
  timeoutMinMs: 1,
  timeoutMaxMs: 2_147_483_647,
  /** Time between SIGTERM and SIGKILL when a command times out. */
  killGraceMs: 2000,
  memoryMinMb: 128,
  memoryMaxMb: 1_048_576,
  memoryDefaultMb: 512,
  cpuMin: 1,
  cpuMax: 16,
  cpuDefault: 1,
  diskMinMb: 64,
  diskMaxMb: 16_777_216,
  diskDefaultMb: 2048,
  ttlMinSeconds: 1,
  ttlMaxSeconds: 30 * 24 * 3600,
  /** Time to live of `mvmctl up` and of detached sandboxes of the CLI when none is given. */
  ttlDefaultSeconds: 30 * 60,
  /** Output kept of one command and stream: head and tail with a marker between. */
  outputDefaultBytes: MiB,
  outputMaxBytes: 16 * MiB,
  outputMinBytes: 0,
  /** Output of a started process that a late reader can still get. */
  processRingBytes: MiB,
  portMax: 65_535,
  /** Forwarded ports of one sandbox, and connections open at once through all of them. */
  forwards: 128,
  forwardConnections: 256,
  /** A network address in text. */
  addressLength: 64,
  /** Code of one call. */
  codeBytes: MiB,
  /** Contexts of one language in one sandbox, and calls that wait for one of them. */
  codeContexts: 32,
  codeWaiting: 64,
  /** What a context claims about one call: value, outputs and error. */
  codeClaimBytes: 8 * MiB,
  /** Output of a call that its reader has not taken yet. */
  codeWindowBytes: 256 * KiB,
  terminalRows: 1000,
  terminalColumns: 1000,
  /** One line of a sandbox's log; longer ones are split. */
  logLineBytes: 64 * KiB,

  /** Path of a Unix socket: `sun_path` is 108 bytes with its NUL. */
  socketPathBytes: 107,
} as const;
