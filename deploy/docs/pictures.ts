/** `npm run pictures`: draws the pictures of the course and the labs anew, of runs that it makes for that. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { measuredPictures } from './pictures/measured.ts';

const folder = join(import.meta.dirname, '..', '..', 'docs', 'images');
for (const [name, picture] of measuredPictures()) {
  writeFileSync(join(folder, name), picture);
  process.stdout.write(`docs/images/${name}\n`);
}
