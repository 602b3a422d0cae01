/** What a command does where no kubeconfig names a server. */
import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { kubectl } from './main.ts';

async function alone(...args: readonly string[]): Promise<readonly [code: number, out: string, err: string]> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await kubectl(
    {
      clock: new VirtualClock(),
      signal: new AbortController().signal,
      write: (text) => out.push(text),
      writeError: (text) => err.push(text),
      readStdin: () => Promise.resolve(''),
      connect: () => Promise.reject(new UserError('error: there is no server')),
    },
    args,
  );
  return [code, out.join(''), err.join('')];
}

test('version asks a server for its own, and for nothing with --client', async () => {
  expect(await alone('version', '--client')).toEqual([
    0,
    expect.stringMatching(/^Client Version: v1\.\d+\.\d+\n$/),
    '',
  ]);
  expect(await alone('version')).toEqual([1, '', 'error: there is no server\n']);
  expect(await alone('version', '--client=false')).toEqual([1, '', 'error: there is no server\n']);
});
