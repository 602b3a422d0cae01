/**
 * Writes the TypeScript wire types and the resource references from the table of API facts: `npm run generate`. A tidy test
 * holds that what is checked in is what this writes.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generatedFiles } from './types.ts';

const target = join(import.meta.dirname, '..', 'types');
rmSync(target, { recursive: true, force: true });
for (const [path, text] of generatedFiles()) {
  const file = join(target, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
