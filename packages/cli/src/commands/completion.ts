import { shell } from "../args/choice.js";
import { command, word } from "../command/define.js";
import { completionScript } from "../completion/script.js";
import { loadAll } from "../command/registry.js";

export default command({
  summary: "Print a completion script for bash, zsh or fish",
  positionals: [word("SHELL", shell, "bash, zsh or fish")],
  options: {},
  examples: [
    [
      'completion bash > "${XDG_DATA_HOME:-$HOME/.local/share}/bash-completion/completions/mvmctl"',
      "Installs it for bash",
    ],
    ["completion zsh > ~/.zfunc/_mvmctl", "Installs it for zsh, when ~/.zfunc is in fpath"],
    ["completion fish > ~/.config/fish/completions/mvmctl.fish", "Installs it for fish"],
  ],
  run: async ({ words: [name] }, context) => {
    const { registry } = await import("./index.js");
    const script = completionScript(name, registry, await loadAll(registry));
    await context.out.result({ shell: name, script }, () => script);
  },
});
