/** Program of the process a module is compiled in: the source on stdin, the outcome as JSON on stdout. */
import { brokenExit } from "./exit.js";
import { compileHere, type SourceLanguage } from "./module.js";

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
try {
  const outcome = await compileHere(Buffer.concat(chunks), process.argv[2] as SourceLanguage);
  process.stdout.write(JSON.stringify(outcome));
} catch {
  process.exitCode = brokenExit;
}
