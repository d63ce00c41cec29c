import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["**/dist/**", "**/node_modules/**", "guest/**", "**/*.mjs", "**/*.js", "**/*.cjs", "coverage/**"] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ["*.config.ts"] }, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/no-unused-vars": [
        "error",
        { argsIgnorePattern: "^_", varsIgnorePattern: "^_", ignoreRestSiblings: true },
      ],
      "@typescript-eslint/consistent-type-imports": "error",
      "no-empty": ["error", { allowEmptyCatch: false }],
      "max-lines": ["error", { max: 300, skipBlankLines: false, skipComments: false }],
      // Machines are started from the main thread only: process death follows the spawning thread.
      "no-restricted-imports": [
        "error",
        {
          paths: [
            {
              name: "node:worker_threads",
              importNames: ["Worker"],
              message: "Machines must not be spawned from a worker thread",
            },
          ],
        },
      ],
    },
  },
  { files: ["**/test/**", "tests/**", "bench/**"], ...tseslint.configs.disableTypeChecked },
  { files: ["**/test/**", "tests/**", "bench/**", "*.config.ts"], rules: { "max-lines": "off" } },
);
