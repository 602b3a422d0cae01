/**
 * The program of a step with `build`: makes an image of a folder of JavaScript, for nodes whose images are modules on the disk. Arguments: the folder, the
 * program in it, where images of this name are kept as the container sees it, and the same as the machine does. The image is a folder whose name is the digest of
 * its files' paths and contents, so the same sources are the same image, and one that is there is never changed. Its name is the program's last words.
 */
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const filesMax = 20_000;
const bytesMax = 256 << 20;

/** The paths in a folder of all files in it, in their order. */
function filesOf(folder: string): readonly string[] {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = paths.filter((path) => lstatSync(join(folder, path)).isFile());
  if (files.length > filesMax) throw new Error(`it has ${files.length} files, more than ${filesMax}`);
  return files.sort((a, b) => (a < b ? -1 : 1));
}

function digestOf(folder: string): string {
  const hash = createHash('sha256');
  let bytes = 0;
  for (const path of filesOf(folder)) {
    const content = readFileSync(join(folder, path));
    bytes += content.length;
    if (bytes > bytesMax) throw new Error(`it has more than ${bytesMax} bytes`);
    hash.update(`${Buffer.byteLength(path)} ${path} ${content.length} `).update(content);
  }
  return hash.digest('hex');
}

function build([context = '', entry = '', images = '', imagesOnMachine = '']: readonly string[]): void {
  if (!existsSync(context)) throw new Error('there is no such folder');
  if (!existsSync(join(context, entry)) || !lstatSync(join(context, entry)).isFile())
    throw new Error(`it has no file ${entry}`);
  const digest = digestOf(context);
  const name = `sha256-${digest}`;
  const place = join(images, name);
  if (existsSync(place)) process.stdout.write(`The image ${name} is there already\n`);
  else {
    mkdirSync(images, { recursive: true });
    const made = mkdtempSync(join(images, '.new-'));
    cpSync(context, made, { recursive: true });
    try {
      renameSync(made, place);
    } catch (error) {
      rmSync(made, { recursive: true, force: true });
      // Another build of the same sources was first.
      if (!existsSync(place)) throw error;
    }
    process.stdout.write(`Built the image ${name}\n`);
  }
  writeFileSync('/dev/termination-log', pathToFileURL(join(imagesOnMachine, name, entry)).href);
}

const [context = ''] = process.argv.slice(2);
try {
  build(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`Cannot build ${context}: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
