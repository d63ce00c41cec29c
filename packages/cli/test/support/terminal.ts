import { execFile } from "node:child_process";
import { program } from "./cli.js";

const script = `
import os, pty, sys, fcntl, termios, struct, select, time
columns, feed = int(sys.argv[1]), sys.argv[2]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[3], sys.argv[3:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
out = b""
while True:
    try:
        chunk = os.read(fd, 65536)
    except OSError:
        break
    if not chunk:
        break
    out += chunk
    if feed and b"READY" in out:
        os.write(fd, feed.encode().decode("unicode_escape").encode())
        feed = ""
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(out)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(status) % 256)
`;

/** Runs the program on a terminal of its own; `feed` is typed once the output says READY. */
export function runOnTerminal(
  argv: readonly string[],
  options: {
    readonly home: string;
    readonly columns?: number;
    readonly env?: Record<string, string>;
    readonly feed?: string;
  },
): Promise<{ readonly code: number; readonly text: string }> {
  const words = ["-c", script, String(options.columns ?? 80), options.feed ?? "", process.execPath, program(), ...argv];
  const env = {
    PATH: process.env["PATH"],
    HOME: process.env["HOME"],
    TERM: "xterm",
    MVM_HOME: options.home,
    ...options.env,
  };
  return new Promise((resolve) => {
    const child = execFile("python3", words, { env, encoding: "buffer", timeout: 20_000 }, (_, stdout) => {
      resolve({ code: child.exitCode ?? -1, text: stdout.toString().replaceAll("\r\n", "\n") });
    });
  });
}
