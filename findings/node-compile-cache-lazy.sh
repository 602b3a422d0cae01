#!/usr/bin/env bash
# Node's `module.enableCompileCache` (26.10.0) keeps of a module what V8 compiles when it is loaded, even where the cache is flushed after all of it has run: a function that
# was compiled with its first call is compiled anew in each process. V8 itself can keep those, as `vm.Script`'s `createCachedData` does after a run: some four times
# as many bytes here, and for 2.4 MB of code a sixth of what a process takes until it has started.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cat >"$folder/make.mjs" <<'END'
import { writeFileSync } from 'node:fs';
const names = Array.from({ length: 2_000 }, (_, index) => `f${index}`);
const text = names.map((name) => `function ${name}(count) { let sum = 0; for (let i = 0; i < count; i++) sum += i; return sum + "${name}"; }`).join('\n');
writeFileSync(new URL('script.js', import.meta.url), `${text}\nglobalThis.all = [${names.join()}];`);
writeFileSync(new URL('functions.mjs', import.meta.url), `${text}\nexport const all = [${names.join()}];`);
END
cat >"$folder/run.mjs" <<'END'
import module from 'node:module';
const [folder, calls] = process.argv.slice(2);
module.enableCompileCache(folder);
const { all } = await import('./functions.mjs');
if (calls === 'yes') for (const one of all) one(3);
module.flushCompileCache();
END
cat >"$folder/script.mjs" <<'END'
import { readFileSync } from 'node:fs';
import { Script } from 'node:vm';
const script = new Script(readFileSync(new URL('script.js', import.meta.url), 'utf8'));
const before = script.createCachedData().length;
script.runInThisContext();
for (const one of globalThis.all) one(3);
console.log(`vm.Script: ${script.createCachedData().length > 2 * before ? 'more than twice the bytes' : 'as many bytes'} after the functions have run`);
END
node "$folder/make.mjs"
for calls in no yes; do node "$folder/run.mjs" "$folder/$calls" "$calls"; done
bytes() { find "$folder/$1" -type f -exec cat {} + | wc -c; }
{
  if [ "$(bytes yes)" -gt $(($(bytes no) * 2)) ]; then echo 'compile cache: more after the functions have run'; else echo 'compile cache: as many bytes after the functions have run'; fi
  node "$folder/script.mjs"
} | tee /dev/stderr | diff - <(printf '%s\n' 'compile cache: as many bytes after the functions have run' 'vm.Script: more than twice the bytes after the functions have run')
