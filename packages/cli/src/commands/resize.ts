import { InvalidArgumentError, type SandboxInfoDocument } from "@mvm/protocol";
import { sandboxRef } from "../args/sandbox-ref.js";
import { memory } from "../args/size.js";
import { command, option, word } from "../command/define.js";
import { sandboxPath } from "../daemon/daemon.js";
import { bytes } from "../render/units.js";
import { describe } from "../sandbox/describe.js";

export default command({
  summary: "Set how much memory a sandbox's programs may use",
  description: [
    "Up to the memory its machine was created with. Less than they use is taken back from what the kernel only keeps for them; nothing is killed for it, and nothing changes where they hold more. `inspect` shows what is used, held and reclaimed.",
  ],
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: { memory: option(memory, "Memory for its programs, such as 256M; required") },
  examples: [
    ["resize devbox --memory 256M", "Leaves devbox's programs with 256 MiB"],
    ["resize devbox --memory 1G", "Gives them 1 GiB again, if its machine has that"],
  ],
  run: async ({ words: [name], options }, context) => {
    if (options.memory === undefined) {
      throw new InvalidArgumentError({
        message: 'Missing option "--memory"',
        hint: "Say how much, such as --memory 256M",
      });
    }
    const daemon = await context.daemon();
    const sandbox = await daemon.call<SandboxInfoDocument>({
      method: "POST",
      path: sandboxPath(name, "resize"),
      operation: "sandboxes.resize",
      json: { memory_mb: options.memory },
      patient: () => true,
    });
    await context.out.result(sandbox, () => (context.quiet ? "" : `${describe(sandbox)}\n${memoryLine(sandbox)}`));
  },
});

function memoryLine({ memory: { reserved_mb, limit_mb, used_bytes } }: SandboxInfoDocument): string {
  const mebibytes = (count: number): string => bytes(count * 1024 * 1024);
  const used = used_bytes === null ? "" : `, ${bytes(used_bytes)} used`;
  return `Its programs may use ${mebibytes(limit_mb)} of ${mebibytes(reserved_mb)}${used}`;
}
