// Bundles what pages load into the package's static folder: a file an entry, named after its content, and a manifest.
import { build } from "esbuild";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, resolve } from "node:path";

const target = resolve(import.meta.dirname, "../src/entrepot/server/console/static");

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const { metafile } = await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ["src/console.ts", "src/series-plot.ts", "src/code-editor.ts", "src/edit-table.ts", "src/query-box.ts", "styles/console.css"],
  entryNames: "[name]-[hash]",
  outdir: target,
  bundle: true,
  format: "esm",
  legalComments: "none",
  metafile: true,
  minify: true,
  target: "es2022",
  logLevel: "warning",
});
// What is taken along of others is taken along with its licence.
const packages = new Set(Object.keys(metafile.inputs).flatMap((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? []));
const licences = [...packages].sort().map((name) => {
  const folder = resolve(import.meta.dirname, "node_modules", name);
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt"].map((each) => resolve(folder, each)).find(existsSync);
  if (!file) throw new Error(`${name} has no licence`);
  return `${name} ${JSON.parse(readFileSync(resolve(folder, "package.json"), "utf8")).version}\n\n${readFileSync(file, "utf8")}`;
});
writeFileSync(resolve(target, "LICENSES.txt"), licences.join("\n\n"));

const manifest = {};
for (const [file, { entryPoint }] of Object.entries(metafile.outputs)) {
  if (entryPoint) manifest[basename(entryPoint).replace(/\.ts$/, ".js")] = basename(file);
}
writeFileSync(resolve(target, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
