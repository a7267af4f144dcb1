// One minified module and one style sheet for each widget: every .tsx in src/ itself. Beside it,
// those of its parts, which the page asks for when it needs them: src/WIDGET.PART.ts. And loader.js,
// which is all that a notebook keeps of them.
//
//   node build.mjs [FOLDER]          writes ../static/, or there
//   node build.mjs --tests FOLDER    bundles the unit tests, for `node --test`, and a page for the
//                                    tests of a browser

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
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

/** What a part shares with the widget's module (`inputs`) it imports from there, as "lw". Which names
    these are (`names`) is seen from a first build, where each import names its file. */
const shared = (inputs, names) => ({
  name: "shared",
  setup(build) {
    build.onResolve({ filter: /^lw$/ }, ({ path }) => ({ path, external: true }));
    build.onResolve({ filter: /./ }, async ({ path, importer, pluginData, ...from }) => {
      if (!importer || pluginData === shared) return undefined;
      const found = await build.resolve(path, { importer, ...from, pluginData: shared });
      const file = relative(here, found.path);
      if (!inputs[file]) return found;
      return names ? { path: "lw", namespace: "shared" } : { path: file, external: true };
    });
    build.onLoad({ filter: /.*/, namespace: "shared" }, () => ({
      contents: `export { ${[...names.keys()].join(", ")} } from "lw";`,
    }));
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
  absWorkingDir: here,
};

/** What is bundled keeps its licence: in the module, and beside it. */
function licence() {
  const read = (name) => readFileSync(join(here, "node_modules/preact", name), "utf8");
  const { name, version } = JSON.parse(read("package.json"));
  return `${name} ${version}\n\n${read("LICENSE").trim()}\n`;
}

/** The names that a part imports from the widget's module, each with its file. */
async function listShared(options) {
  const names = new Map();
  const { outputFiles } = await build({ ...options, write: false });
  for (const { text } of outputFiles) {
    for (const [, wanted, file] of text.matchAll(/import\{([^}]*)\}from"([^"]+)"/g)) {
      for (const name of wanted.split(",").map((each) => each.split(" as ")[0])) {
        if ((names.get(name) ?? file) !== file) throw new Error(`Two files export ${name}.`);
        names.set(name, file);
      }
    }
  }
  return names;
}

/** Build a widget's module, which exports what its parts share with it, and these parts. */
async function buildWidget(entry, { outdir, banner, ...options }) {
  const widget = basename(entry, ".tsx");
  const module = { ...options, banner, outfile: join(outdir, `${widget}.js`) };
  const parts = list("src", ".ts").filter((path) => basename(path).startsWith(`${widget}.`));
  const first = { ...module, entryPoints: [entry], metafile: true, write: parts.length === 0 };
  const { inputs } = (await build(first)).metafile;
  if (!parts.length) return;
  const exported = new Set();
  for (const part of parts) {
    const built = (names) => ({
      ...options,
      outdir,
      entryPoints: [part],
      plugins: [...options.plugins, shared(inputs, names)],
    });
    const names = await listShared(built());
    await build(built(names));
    for (const [name, file] of names) exported.add(`export { ${name} } from "./${file}";`);
  }
  const contents = [`export { default } from ${JSON.stringify(entry)};`, ...exported].join("\n");
  await build({ ...module, stdin: { contents, resolveDir: here } });
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
    await buildWidget(entry, { ...options, ...styled(own), banner });
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
