import { command } from "../command/define.js";
export default command({ summary: "x", positionals: [], options: {}, examples: [["a", "b"]], run: async () => {} });
