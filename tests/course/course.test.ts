/**
 * Works through every page of the course and of the labs, and compares what it prints with what the page says. `COXSWAIN_COURSE_WRITE=1 npm run test:course` puts what was printed into the
 * pages instead, to be read before it is committed.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isRoot } from '#tests/e2e/machine.ts';
import { root } from '#tests/tidy/source-files.ts';
import { type Page, readPage, withOutputs } from './page.ts';
import { Reader } from './reader.ts';
import { comparable } from './variable.ts';

/** Longest time for one page, on a slow machine that does other things. */
const pageMs = 600_000;
const writes = process.env.COXSWAIN_COURSE_WRITE === '1';

const folders = ['docs/course', 'docs/labs'].filter((folder) => existsSync(join(root, folder)));
const pages = folders.flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md') && name !== 'README.md')
    .sort()
    .map((name) => `${folder}/${name}`),
);

// Two readers at a time: they wait for the cluster more than they type.
describe.concurrent('the course', () => {
  for (const path of pages) {
    const text = readFileSync(join(root, path), 'utf8');
    const page = readPage(text);
    const reason = page.facts.needs === 'root' && !isRoot ? ' (skipped: it needs root)' : '';
    test.skipIf(reason !== '')(
      `${path}: ${page.facts.title}${reason}`,
      () => workThrough(path, { page, text }),
      pageMs,
    );
  }
});

async function workThrough(path: string, { page, text }: { readonly page: Page; readonly text: string }) {
  const reader = new Reader();
  const printed: (readonly string[])[] = [];
  try {
    for (const { line, command, output } of page.steps) {
      const lines = await reader.type(command);
      printed.push(lines);
      if (!writes) expect(comparable(lines), `${path}:${line}: ${command}`).toEqual(comparable(output));
    }
  } finally {
    await reader.leave();
  }
  if (writes) writeFileSync(join(root, path), withOutputs(text, printed));
}
