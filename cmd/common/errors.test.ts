import { expect, test } from 'vitest';
import { UserError } from '#pkg/component/user-error.ts';
import { explain } from './errors.ts';

function systemError(code: string, more: object = {}): Error {
  return Object.assign(new Error(`${code}: something`), { code, ...more });
}

test.each<[string, unknown, string]>([
  [
    'a taken port',
    systemError('EADDRINUSE', { port: 6443 }),
    'Cannot listen on port 6443 as another program uses it: stop that program, or choose a port with --api-port',
  ],
  [
    'a full disk',
    systemError('ENOSPC'),
    'Cannot write to the disk as it is full: free some space, or choose another folder with --data-dir',
  ],
  [
    'a full disk behind another error',
    new Error('wrapped', { cause: systemError('ENOSPC') }),
    'Cannot write to the disk as it is full: free some space, or choose another folder with --data-dir',
  ],
  [
    'a folder without permission',
    systemError('EACCES', { path: '/x', syscall: 'mkdir' }),
    'Cannot write /x (EACCES): check its permissions, or choose another folder with --data-dir',
  ],
  [
    'a reserved port',
    systemError('EACCES', { port: 443, syscall: 'listen' }),
    'Cannot listen on port 443 as it is reserved: choose one from 1024 up with --api-port',
  ],
  ['an error for people', new UserError('Do this\n  instead'), 'Do this instead'],
  ['any other', new Error('odd'), 'odd'],
  ['what is no error', 'odd', 'odd'],
])('%s is told in one line', (_, error, line) => {
  expect(explain(error)).toBe(line);
});
