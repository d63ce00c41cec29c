import { type ChildProcess, spawn } from "node:child_process";
import { program } from "./cli.js";

/**
 * A terminal with the program on it, kept open by the driver so that its settings can be read after the program's end.
 * Lines on stdin are `type HEX`, `resize ROWS COLS` and `kill SIGNAL`; what the terminal shows goes to stdout.
 */
const driver = `
import fcntl, json, os, pty, select, signal, struct, sys, termios
rows, cols = int(sys.argv[1]), int(sys.argv[2])
master, slave = pty.openpty()
def size(rows, cols):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
size(rows, cols)
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.closerange(3, 256)
    os.execvp(sys.argv[3], sys.argv[3:])
pending, status, listening = b"", None, [master, 0]
while status is None:
    ready = select.select(listening, [], [], 0.02)[0]
    if master in ready:
        sys.stdout.buffer.write(os.read(master, 65536)); sys.stdout.buffer.flush()
    if 0 in ready:
        chunk = os.read(0, 65536)
        if not chunk: listening = [master]
        pending += chunk
        *lines, pending = pending.split(b"\\n")
        for line in lines:
            verb, *words = line.decode().split()
            if verb == "type": os.write(master, bytes.fromhex(words[0]))
            if verb == "resize": size(int(words[0]), int(words[1]))
            if verb == "kill": os.kill(pid, getattr(signal, words[0]))
    if not ready or status is not None:
        done, code = os.waitpid(pid, os.WNOHANG)
        if done: status = code
while select.select([master], [], [], 0.05)[0]:
    sys.stdout.buffer.write(os.read(master, 65536))
sys.stdout.buffer.flush()
report = {"code": os.waitstatus_to_exitcode(status), "restored": termios.tcgetattr(slave) == before}
os.write(3, json.dumps(report).encode())
`;

/** How a session ended: the exit code (negative for a signal), and whether the terminal is as it was before. */
export interface TerminalEnd {
  readonly code: number;
  readonly restored: boolean;
  /** Everything it showed. */
  readonly text: string;
}

/** The program on a real terminal, used as a person would: by typing and reading. */
export class LiveTerminal {
  readonly #child: ChildProcess;
  readonly #end: Promise<TerminalEnd>;
  #text = "";
  #read = 0;

  constructor(
    argv: readonly string[],
    options: { readonly home: string; readonly rows?: number; readonly cols?: number },
  ) {
    const { home, rows = 24, cols = 80 } = options;
    const words = ["-c", driver, String(rows), String(cols), process.execPath, program(), ...argv];
    const env = { PATH: process.env["PATH"], HOME: process.env["HOME"], TERM: "xterm", MVM_HOME: home };
    this.#child = spawn("python3", words, { env, stdio: ["pipe", "pipe", "inherit", "pipe"] });
    this.#child.stdin?.on("error", () => undefined);
    this.#child.stdout?.on("data", (data: Buffer) => (this.#text += data.toString()));
    let report = "";
    this.#child.stdio[3]?.on("data", (data: Buffer) => (report += data.toString()));
    this.#end = new Promise((resolve) => {
      this.#child.once("close", () => {
        resolve({ ...(JSON.parse(report || '{"code":-1}') as TerminalEnd), text: this.#text });
      });
    });
  }

  type(keys: string): void {
    this.#child.stdin?.write(`type ${Buffer.from(keys).toString("hex")}\n`);
  }

  resize(rows: number, cols: number): void {
    this.#child.stdin?.write(`resize ${rows} ${cols}\n`);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.stdin?.write(`kill ${signal}\n`);
  }

  /** Waits until the terminal has shown it, after what was waited for before. Returns the text up to and with it. */
  async shows(what: string | RegExp): Promise<string> {
    for (let tries = 0; tries < 1200; tries++) {
      const rest = this.#text.slice(this.#read);
      const at = typeof what === "string" ? rest.indexOf(what) : rest.search(what);
      if (at >= 0) {
        const found = typeof what === "string" ? what : (what.exec(rest)?.[0] ?? "");
        this.#read += at + found.length;
        return rest.slice(0, at + found.length);
      }
      if (this.#child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`the terminal does not show ${String(what)}: ${JSON.stringify(this.#text.slice(-2000))}`);
  }

  /** Its end. Fails, and shows what is on the terminal, when it does not come. */
  end(): Promise<TerminalEnd> {
    const late = new Promise<never>((_, reject) => {
      setTimeout(
        () => reject(new Error(`the program does not end: ${JSON.stringify(this.#text.slice(-2000))}`)),
        30_000,
      );
    });
    return Promise.race([this.#end, late]);
  }

  /** Ends the driver, and with it the terminal. */
  destroy(): void {
    this.#child.kill("SIGKILL");
  }
}
