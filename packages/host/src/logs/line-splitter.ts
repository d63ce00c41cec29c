import { StringDecoder } from "node:string_decoder";

/** Cuts a byte stream into lines without their ends; a line longer than `maxLength` characters comes in pieces. */
export function lineSplitter(maxLength: number, onLine: (line: string) => void): (chunk: Buffer) => void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  return (chunk) => {
    const lines = (rest + decoder.write(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) emit(line);
    if (rest.length > maxLength) {
      emit(rest);
      rest = "";
    }
  };

  function emit(line: string): void {
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    for (let at = 0; at === 0 || at < text.length; at += maxLength) onLine(text.slice(at, at + maxLength));
  }
}
