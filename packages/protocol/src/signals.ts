/** Signals of Linux on x86-64 and arm64 by number. The guest is always Linux, whatever the host's library says. */
const names = [
  "",
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGILL",
  "SIGTRAP",
  "SIGABRT",
  "SIGBUS",
  "SIGFPE",
  "SIGKILL",
  "SIGUSR1",
  "SIGSEGV",
  "SIGUSR2",
  "SIGPIPE",
  "SIGALRM",
  "SIGTERM",
  "SIGSTKFLT",
  "SIGCHLD",
  "SIGCONT",
  "SIGSTOP",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGURG",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGVTALRM",
  "SIGPROF",
  "SIGWINCH",
  "SIGIO",
  "SIGPWR",
  "SIGSYS",
] as const;

/** Highest signal number of Linux. */
export const maxSignal = 64;

/** `SIGKILL` for 9; `SIG34` and the like for real-time signals. */
export function signalName(number: number): string {
  return names[number] || `SIG${number}`;
}

/** The number of `SIGTERM`, `TERM`, `term`, `SIG34` or `15`; null when there is no such signal. */
export function signalNumber(name: string): number | null {
  const upper = name.toUpperCase();
  const index = (names as readonly string[]).indexOf(upper.startsWith("SIG") ? upper : `SIG${upper}`);
  if (index > 0) return index;
  const digits = /^(?:SIG)?([1-9][0-9]?)$/.exec(upper)?.[1];
  return digits !== undefined && Number(digits) <= maxSignal ? Number(digits) : null;
}
