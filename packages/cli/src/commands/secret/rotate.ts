import { command } from "../../command/define.js";

export default command({
  summary: "Encrypt every stored secret with a new key",
  positionals: [],
  options: {},
  examples: [["secret rotate", "Replaces the store's key and forgets the old one"]],
  run: async (_input, context) => {
    const daemon = await context.daemon();
    const call = { method: "POST", path: "/secrets/rotate", operation: "secrets.rotate" } as const;
    const answer = await daemon.call<{ rotated: number }>(call);
    await context.out.result(answer, () => `${answer.rotated} secrets encrypted with a new key`);
  },
});
