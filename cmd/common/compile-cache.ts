/**
 * Keeps compiled code between starts, in the checkout or package: without it a start strips the types of several hundred files and compiles
 * them, which takes longer than all the rest. A failure to keep it costs time only.
 */
import { mkdirSync } from 'node:fs';
import { enableCompileCache, flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../.cache/compiled', import.meta.url));

/** Uses what earlier starts kept. Comes before everything that is to be kept. */
export function keepCompiledCode(): void {
  try {
    mkdirSync(folder, { recursive: true });
    enableCompileCache(folder);
  } catch {
    // Somebody else's folder: a place of the system's choice has to do.
    enableCompileCache();
  }
}

/** Writes now what was compiled so far, which otherwise waits for the end of the process. */
export function storeCompiledCode(): void {
  flushCompileCache();
}
