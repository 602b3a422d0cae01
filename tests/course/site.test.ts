/** The documentation as a site: it is made, and no link in it leads nowhere. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';

test('the site is made with every page of docs and the reference, and its links lead somewhere', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'course-site-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const built = await run(process.execPath, [join(root, 'deploy/docs/build.ts'), folder]);
  expect(built.code, built.stderr).toBe(0);
  const pages = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('index.html'),
  );
  const written = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.md'),
  );
  expect(pages.length).toBe(written.length + ['coxswain', 'components', 'metrics', 'events', 'errors'].length);
  const lost: string[] = [];
  for (const page of pages) {
    const html = readFileSync(join(folder, page), 'utf8');
    if (!/<title>[^<]+ · Coxswain<\/title>[\s\S]*<h1>/.test(html)) lost.push(`${page}: its title`);
    for (const [, target = ''] of html.matchAll(/(?:href|src)="([^"#:]+)(?:#[^"]*)?"/g)) {
      const place = target.startsWith('/') ? join(folder, target) : join(folder, page, '..', target);
      if (!existsSync(place)) lost.push(`${page}: ${target}`);
    }
  }
  expect(lost).toEqual([]);
  const metrics = readFileSync(join(folder, 'reference/metrics/index.html'), 'utf8');
  expect(metrics).toContain('apiserver_request_total');
  expect(readFileSync(join(folder, 'reference/events/index.html'), 'utf8')).toContain('SuccessfulCreate');
  const errors = readFileSync(join(folder, 'reference/errors/index.html'), 'utf8');
  for (const said of ['AlreadyExists', 'RequestEntityTooLarge', 'Cannot listen on port PORT'])
    expect(errors).toContain(said);
});
