// One minified module and one style sheet for each widget: every file that stands in src/ itself.
//
//   node build.mjs             writes ../static/
//   node build.mjs FOLDER      writes there
//   node build.mjs --tests FOLDER   bundles the unit tests, to be run by `node --test`

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const [first, second] = process.argv.slice(2);
const tests = first === "--tests";
const entries = (folder, ending) =>
  readdirSync(join(here, folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => join(here, folder, name));

/** What is bundled keeps its licence, in the bundle too. */
const licence = () => {
  const { name, version } = JSON.parse(read("package.json"));
  return `/*! ${name} ${version}\n${read("LICENSE").trim()}\n*/`;
};
const read = (name) => readFileSync(join(here, "node_modules/preact", name), "utf8");

const common = {
  bundle: true,
  format: "esm",
  charset: "utf8",
  // h(…) is shorter than jsx(…, { children }); the sources do not say which, and tsconfig.json
  // would win over esbuild's own options.
  tsconfigRaw: {
    compilerOptions: { jsx: "react", jsxFactory: "h", jsxFragmentFactory: "Fragment" },
  },
  inject: [join(here, "jsx.js")],
  logLevel: "warning",
};

await build(
  tests
    ? {
        ...common,
        entryPoints: entries("test", ".test.ts"),
        outdir: second,
        platform: "node",
        outExtension: { ".js": ".mjs" },
      }
    : {
        ...common,
        entryPoints: entries("src", ".tsx"),
        outdir: first ?? join(here, "../static"),
        minify: true,
        target: ["chrome123", "firefox128", "safari17.5"],
        banner: { js: licence() },
      },
);
