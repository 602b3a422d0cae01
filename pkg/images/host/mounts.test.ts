import { expect, test } from 'vitest';
import { mountsBelow } from './mounts.ts';

test('what is mounted below a folder is found, the last first, and nothing beside it', () => {
  const info = [
    '22 27 0:21 / /proc rw,relatime - proc proc rw',
    '30 27 0:30 / /data/a rw - tmpfs tmpfs rw',
    '31 27 254:0 /usr/sbin/runc /data/a/state/runc.x rw,relatime - ext4 /dev/vda rw',
    '32 27 0:31 / /data/ab/root rw - overlay overlay rw',
    '33 27 0:32 / /data/a/with\\040blank rw - tmpfs tmpfs rw',
    '',
  ].join('\n');
  expect(mountsBelow('/data/a', info)).toEqual(['/data/a/with blank', '/data/a/state/runc.x']);
});
