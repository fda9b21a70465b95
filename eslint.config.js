import js from "@eslint/js";
import globals from "globals";

// What would let a text of the game, or an address in it, become code.
const DANGEROUS = ["innerHTML", "outerHTML", "insertAdjacentHTML", "setHTMLUnsafe", "srcdoc"];

export default [
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  js.configs.recommended,
  {
    rules: {
      "max-lines": ["error", 400],
      "max-lines-per-function": ["error", 50],
      complexity: ["error", 13],
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "max-len": ["error", { code: 100 }],
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-script-url": "error",
      "no-shadow": "error",
      "no-use-before-define": ["error", { functions: false, classes: false }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
      "no-restricted-properties": [
        "error",
        { object: "document", property: "write" },
        ...DANGEROUS.map((property) => ({ property })),
      ],
    },
  },
  {
    files: ["python/portal/web/*.js"],
    languageOptions: { ecmaVersion: 2022, globals: globals.browser },
    rules: { "no-console": "error" },
  },
  {
    files: ["tests/web/*.js"],
    languageOptions: { globals: globals.node },
    rules: { "max-len": "off", "no-script-url": "off" }, // tables of hostile texts
  },
];
