// One minified module and one style sheet for each widget: every .tsx that stands in src/ itself. And
// loader.js, which is all that a notebook keeps of them.
//
//   node build.mjs [FOLDER]          writes ../static/, or there
//   node build.mjs --tests FOLDER    bundles the unit tests, for `node --test`, and a page for the
//                                    tests of a browser

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const list = (folder, ending) =>
  readdirSync(join(here, folder))
    .sort()
    .filter((name) => name.endsWith(ending))
    .map((name) => join(here, folder, name));

/** `comparison-tabs`: what the files in src/comparison/tabs/ export, by their names. */
const tabs = {
  name: "tabs",
  setup(build) {
    const folder = "src/comparison/tabs";
    build.onResolve({ filter: /^comparison-tabs$/ }, ({ path }) => ({ path, namespace: "tabs" }));
    build.onLoad({ filter: /.*/, namespace: "tabs" }, () => {
      const names = list(folder, ".tsx").map((path) => basename(path, ".tsx"));
      const imports = names.map((name) => `import ${name} from "./${name}";`);
      const contents = `${imports.join("\n")}\nexport default { ${names.join(", ")} };`;
      return { contents, resolveDir: join(here, folder) };
    });
  },
};

/** A page with several panels has several sheets: each names the panels of its own module alone. */
const sheet = (own) => ({
  name: "sheet",
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, ({ path }) => {
      const contents = readFileSync(path, "utf8").replaceAll(/\.lw(?![\w-])/g, `.${own}`);
      return { contents, loader: "css" };
    });
  },
});

/** What is built of one module, whose panels bear the class `own`. */
const styled = (own) => ({ plugins: [tabs, sheet(own)], define: { OWN: JSON.stringify(own) } });

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

/** What is bundled keeps its licence: in the module, and beside it. */
function licence() {
  const read = (name) => readFileSync(join(here, "node_modules/preact", name), "utf8");
  const { name, version } = JSON.parse(read("package.json"));
  return `${name} ${version}\n\n${read("LICENSE").trim()}\n`;
}

async function buildWidgets(outdir) {
  const text = licence();
  const options = {
    ...common,
    outdir,
    minify: true,
    target: ["chrome123", "firefox128", "safari17.5"],
  };
  await build({ ...options, entryPoints: [join(here, "src/loader.ts")], inject: [] });
  const banner = { js: `/*! ${text}*/` };
  for (const entry of list("src", ".tsx")) {
    const own = `lw-${basename(entry, ".tsx").replaceAll("_", "-")}`;
    await build({ ...options, ...styled(own), entryPoints: [entry], banner });
  }
  writeFileSync(join(outdir, "THIRD_PARTY_LICENSES.txt"), text);
}

async function buildTests(outdir) {
  const options = { ...common, outdir, platform: "node", outExtension: { ".js": ".mjs" } };
  await build({
    ...options,
    ...styled("lw-tested"),
    entryPoints: [...list("test", ".test.ts"), join(here, "test/page.ts")],
  });
}

const [first, second] = process.argv.slice(2);
if (first === "--tests") await buildTests(second);
else await buildWidgets(first ?? join(here, "../static"));
