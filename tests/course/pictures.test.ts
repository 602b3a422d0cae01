/** The pictures of the course and the labs are those of runs that anybody can make again: drawn anew, they are the same bytes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { measuredPictures } from '../../deploy/docs/pictures/measured.ts';

const images = join(root, 'docs/images');

test('every picture is what "npm run pictures" draws, and every one is on a page', () => {
  const drawn = measuredPictures();
  const kept = readdirSync(images).filter((name) => name.endsWith('.svg'));
  expect(kept.sort()).toEqual([...drawn.keys()].sort());
  const pages = ['course', 'labs'].flatMap((folder) =>
    readdirSync(join(root, 'docs', folder)).map((name) => readFileSync(join(root, 'docs', folder, name), 'utf8')),
  );
  for (const [name, picture] of drawn) {
    expect(readFileSync(join(images, name), 'utf8'), name).toBe(picture);
    expect(pages.filter((text) => text.includes(`](../images/${name})`)).length, name).toBeGreaterThan(0);
    expect(picture, name).not.toMatch(/NaN|undefined|Infinity/);
  }
});
