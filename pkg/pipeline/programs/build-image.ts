/**
 * The program of a step with `build` and a Dockerfile: makes an image for real containers by `coxswain image build`. Arguments: the folder, the Dockerfile in it, the image's name, whether
 * to `publish` it to the registry of that name or to `keep` it here, and the words of `coxswain image`, with flags. The image is named for its id, so the same sources are the same name. That name is the program's last words. A build that is to end takes
 * its containers with it.
 */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [context = '', dockerfile = '', name = '', then = '', program = '', ...words] = process.argv.slice(2);
/** Where OCI runtimes are, whatever else the pod's variable says. */
const path = [process.env.PATH, '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':');

/** Runs a command of images; resolves to what it has written. Its other output goes where the program's goes. */
function image(...args: readonly string[]): Promise<string> {
  const [verb = '', ...rest] = args;
  // The words end with the flags that say which images.
  const place = words.slice(words.indexOf('image') + 1);
  const command = words.slice(0, words.indexOf('image') + 1);
  const child = spawn(program, [...command, verb, ...place, ...rest], {
    env: { ...process.env, PATH: path, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = (): void => void child.kill('SIGTERM');
  process.on('SIGTERM', end);
  child.stderr.on('data', (text: Buffer) => process.stdout.write(text));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      process.off('SIGTERM', end);
      if (code === 0) resolve(output);
      else reject(new Error(`coxswain image ${verb} has ended with ${code ?? signal}`));
    });
  });
}

async function build(): Promise<void> {
  if (program === '')
    throw new Error('no node runs such images: start the cluster with --runtime container,inprocess, as root');
  const file = join(context, dockerfile);
  if (!existsSync(file)) throw new Error(`there is no file ${dockerfile}`);
  const built = `${name}:latest`;
  const { id }: { readonly id: string } = JSON.parse(
    await image('build', '-t', built, '-f', file, '-o', 'json', context),
  );
  const named = `${name}:${id.replace(':', '-')}`;
  await image('tag', id, named);
  if (then === 'publish') await image('push', named);
  process.stdout.write(`${then === 'publish' ? 'Published' : 'Built'} the image ${named}\n`);
  writeFileSync('/dev/termination-log', named);
}

try {
  await build();
} catch (error) {
  process.stderr.write(`Cannot build ${context}: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
