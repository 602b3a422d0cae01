/**
 * An image that says what it finds: `content:<path>` prints a file, `mode:<path>` the permission bits of a file or folder, `write:<path>:<bits>`
 * makes a file with a known line in it, `wait:<path>` waits until there is such a file, `follow:<path>` prints a file's content whenever it is another.
 */
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { errorText } from '#pkg/base/error-text.ts';
import type { Program, ProgramContext } from '#pkg/kubelet/runtime/inprocess/program.ts';

const pollMs = 50;

export const program: Program = {
  async main(context) {
    try {
      for (const arg of context.args) await act(context, arg);
      return 0;
    } catch (error) {
      context.error(errorText(error));
      return 1;
    }
  },
};

async function act(context: ProgramContext, arg: string): Promise<void> {
  const [verb, path = '', bits = '644'] = arg.split(':');
  const file = context.resolve(path);
  if (verb === 'content') context.log(`content of ${path}: ${await readFile(file, 'utf8')}`);
  else if (verb === 'mode') context.log(`mode of ${path}: ${((await stat(file)).mode & 0o777).toString(8)}`);
  else if (verb === 'write') {
    await writeFile(file, 'mount-tester new file\n');
    await chmod(file, Number.parseInt(bits, 8));
  } else if (verb === 'wait') {
    while (
      !(await stat(file).then(
        () => true,
        () => false,
      ))
    )
      await delay(pollMs);
  } else if (verb === 'follow') await follow(context, { path, file });
  else throw new Error(`Cannot do ${verb}`);
}

async function follow(context: ProgramContext, what: { readonly path: string; readonly file: string }): Promise<void> {
  let last: string | undefined;
  while (!context.signal.aborted) {
    const now = await readFile(what.file, 'utf8').catch(() => '(none)');
    if (now !== last) context.log(`content of ${what.path}: ${now}`);
    last = now;
    await delay(pollMs);
  }
}
