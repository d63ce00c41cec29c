import { integer } from "../../args/integer.js";
import { guestPath } from "../../args/guest-path.js";
import { sandboxRef } from "../../args/sandbox-ref.js";
import { command, flag, option, word, words } from "../../command/define.js";
import { sandboxPath } from "../../daemon/daemon.js";
import { invalidArgument } from "../../errors.js";
import { terminalFilter } from "../../render/escape.js";

/** A JSON document holds a whole file; larger ones are read raw. */
const jsonLimit = 16 * 1024 * 1024;
const byteCount = integer("BYTES", 0, Number.MAX_SAFE_INTEGER);

export default command({
  summary: "Write files of a sandbox to stdout",
  description: [
    "On a terminal, control characters are spelled out unless --raw is given; into a pipe or file the bytes are exact.",
  ],
  positionals: [
    word("NAME", sandboxRef, "Name or id of the sandbox"),
    words("PATH", guestPath, "Files, one after the other"),
  ],
  options: {
    offset: option(byteCount, "Begin at this byte"),
    length: option(byteCount, "Read at most this many bytes of each file"),
    raw: flag("Print bytes to a terminal as they are"),
  },
  examples: [
    ["fs read devbox result.json > result.json", "Copies a file out"],
    ["fs read devbox /etc/hostname", "Shows a file"],
  ],
  run: async ({ words: [name, paths], options }, context) => {
    const { out, cancellation } = context;
    const daemon = await context.daemon();
    const escape = out.stdout.isTTY && !options.raw;
    const files: object[] = [];
    for (const path of paths) {
      const query = { path, offset: options.offset, length: options.length };
      const { body } = await daemon.download({
        method: "GET",
        path: sandboxPath(name, "files", "content"),
        operation: "files.read",
        query,
      });
      if (context.json) {
        files.push(fileDocument(path, await collect(path, body)));
        continue;
      }
      const filter = terminalFilter();
      for await (const chunk of body) await cancellation.race(out.stdout.write(escape ? filter(chunk) : chunk));
      if (escape) await out.stdout.write(filter());
    }
    if (context.json) await out.result(files.length === 1 ? (files[0] ?? {}) : { files }, () => "");
  },
});

async function collect(path: string, body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > jsonLimit) {
      throw invalidArgument(
        `Cannot show "${path}" as JSON: it is larger than 16 MiB`,
        "Use --length, or leave --json out",
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function fileDocument(path: string, content: Buffer): object {
  const text = content.toString("utf8");
  const exact = Buffer.from(text, "utf8").equals(content);
  return {
    path,
    bytes: content.length,
    content: text,
    ...(exact ? {} : { content_base64: content.toString("base64") }),
  };
}
