// What our scripts are held to. The rules stand here by themselves, so that nothing but eslint is needed.
const browser = ["document", "window", "location", "history", "localStorage", "navigator", "matchMedia", "getComputedStyle", "fetch", "performance",
  "setInterval", "clearInterval", "setTimeout", "clearTimeout", "requestAnimationFrame", "URL", "URLSearchParams", "AbortController", "ResizeObserver", "DOMParser",
  "TextDecoder", "TextDecoderStream", "Event", "CustomEvent", "console", "uPlot", "Blob", "FormData", "IntersectionObserver", "CSS"];
const node = ["process", "console", "fetch", "URL", "Buffer", "setTimeout", "clearTimeout", "setInterval", "clearInterval"];

const globals = (names) => Object.fromEntries(names.map((name) => [name, "readonly"]));

const rules = {
  "no-undef": "error", "no-unused-vars": "error", "no-redeclare": "error", "no-shadow-restricted-names": "error", "no-dupe-keys": "error",
  "no-unreachable": "error", "no-const-assign": "error", "no-fallthrough": "error", "no-cond-assign": "error", "no-self-compare": "error",
  "no-eval": "error", "no-implied-eval": "error", "no-new-func": "error", "no-script-url": "error", "no-var": "error", "prefer-const": "error",
  eqeqeq: ["error", "always", { null: "ignore" }], "no-implicit-coercion": "error", "no-promise-executor-return": "off", "require-await": "error",
  "max-lines": ["error", 400], "no-await-in-loop": "off", "no-throw-literal": "error", "no-useless-return": "error", "no-empty": "error",
};

export default [
  { ignores: ["**/assets/vendor/**", "**/node_modules/**"] },
  { files: ["**/assets/*.js", "**/vendor/editor.js"], languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: globals(browser) }, rules },
  { files: ["**/*.mjs"], languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: globals([...node, ...browser]) }, rules },
];
