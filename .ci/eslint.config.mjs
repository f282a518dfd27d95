import js from "@eslint/js";

const browser = [
  "document", "window", "localStorage", "sessionStorage", "location", "history", "fetch", "performance",
  "setTimeout", "clearTimeout", "CustomEvent", "Event", "EventTarget", "Element", "HTMLElement",
  "HTMLSelectElement", "ImageData", "Option", "ResizeObserver", "URLSearchParams",
];

export default [
  js.configs.recommended,
  {
    languageOptions: {
      ecmaVersion: 2022,
      sourceType: "module",
      globals: Object.fromEntries(browser.map((name) => [name, "readonly"])),
    },
    rules: {
      "eqeqeq": "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-shadow": "error",
      "no-implicit-globals": "error",
      "max-lines-per-function": ["error", { max: 45, skipComments: true }],
    },
  },
];
