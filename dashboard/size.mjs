/** Ends the build where what a browser loads first has grown past its limit. */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT_KB = 200;
const page = readFileSync("dist/index.html", "utf8");
const first = ["index.html", ...Array.from(page.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g), ([, name]) => name)];
const size = first.reduce((sum, name) => sum + gzipSync(readFileSync(`dist/${name}`), { level: 9 }).length, 0) / 1024;
console.log(`first load: ${size.toFixed(1)} kB compressed, in ${first.length} files`);
if (first.length < 3 || size > LIMIT_KB) {
  console.error(`the first load is ${first.length} files and ${size.toFixed(1)} kB, at most ${LIMIT_KB} are allowed`);
  process.exit(1);
}
