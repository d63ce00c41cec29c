import { secretName } from "../../args/secret-name.js";
import { command, word } from "../../command/define.js";

export default command({
  summary: "Delete a stored secret",
  positionals: [word("NAME", secretName, "Name of the secret")],
  options: {},
  examples: [["secret rm openai-api-key", "No new sandbox can use it any more"]],
  run: async ({ words: [name] }, context) => {
    const daemon = await context.daemonOfContents();
    const path = `/secrets/${encodeURIComponent(name)}`;
    const call = { method: "DELETE", path, operation: "secrets.remove" } as const;
    const answer = (await daemon?.call<{ removed: boolean }>(call)) ?? { removed: false };
    await context.out.result(answer, () => (answer.removed ? `${name} deleted` : `${name} was not there`));
  },
});
