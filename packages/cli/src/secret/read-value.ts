import { readFileSync } from "node:fs";
import { invalidArgument } from "../errors.js";
import type { Context } from "../output/context.js";

/** Longest value. Bytes. */
const maxBytes = 64 * 1024;

/**
 * The value of a secret: from a variable or file that is named, from stdin, or typed at a hidden prompt. One line break at its
 * end belongs to the file or the keyboard, not to the value.
 */
export async function readSecretValue(
  from: { readonly kind: "env" | "file"; readonly name: string } | undefined,
  context: Context,
): Promise<string> {
  const text =
    from === undefined ? await fromStdin(context) : from.kind === "env" ? fromEnv(from.name) : fromFile(from.name);
  return text.replace(/\r?\n$/, "");
}

function fromEnv(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw invalidArgument("Cannot read the secret: there is no variable of that name");
  return value;
}

function fromFile(path: string): string {
  try {
    return decode(readFileSync(path));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw code === undefined ? error : invalidArgument(`Cannot read the secret's file: ${code}`);
  }
}

async function fromStdin(context: Context): Promise<string> {
  if (process.stdin.isTTY) return await prompt(context);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLong();
    chunks.push(chunk);
  }
  return decode(Buffer.concat(chunks));
}

/** Reads one line without showing it. Node puts the terminal back when the process ends, whatever ends it. */
async function prompt(context: Context): Promise<string> {
  await context.out.aside("Value (not shown): ");
  process.stdin.setRawMode(true);
  process.stdin.setEncoding("utf8");
  try {
    let value = "";
    for await (const typed of process.stdin as AsyncIterable<string>) {
      for (const key of typed) {
        if (key === "\u0003") throw invalidArgument("Cannot store the secret: interrupted");
        if (key === "\r" || key === "\n" || key === "\u0004") return value;
        value = key === "\u007f" || key === "\b" ? [...value].slice(0, -1).join("") : value + key;
        if (value.length > maxBytes) throw tooLong();
      }
    }
    return value;
  } finally {
    process.stdin.setRawMode(false);
    process.stdin.pause();
    await context.out.aside("\n");
  }
}

function decode(bytes: Buffer): string {
  if (bytes.byteLength > maxBytes) throw tooLong();
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalidArgument("Cannot store the secret: its value is not UTF-8");
  }
}

function tooLong(): Error {
  return invalidArgument(`Cannot store the secret: its value has more than ${maxBytes} bytes`);
}
