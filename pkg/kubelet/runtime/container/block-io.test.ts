/** Classes of block I/O: what a file says, and what of it is wrong. */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { makeContainerConfig } from '../../testing/configs.ts';
import { parseBlockIoClasses, wishedBlockIo } from './block-io.ts';
import { deviceNumbers } from './spec/devices.ts';

const classOf = (name: string, ofContainer?: string) =>
  makeContainerConfig({
    image: 'busybox',
    name: 'app',
    annotations: {
      'blockio.resources.beta.kubernetes.io/pod': name,
      ...(ofContainer === undefined ? {} : { 'blockio.resources.beta.kubernetes.io/container.app': ofContainer }),
    },
  });

function fileOf(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-block-io-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'block-io.yaml');
  writeFileSync(path, text);
  return path;
}

/** The first that there is; without one the test says by its name that it did not run. */
const disk = readdirSync('/sys/block').find((name) => statSync(`/dev/${name}`, { throwIfNoEntry: false }));

test.skipIf(disk === undefined)('a container has the limits of its class, its own before that of its pod', async () => {
  const path = `/dev/${disk}`;
  const file = fileOf(`
Classes:
  slow:
    - Weight: 50
    - { Devices: ['/dev/${disk?.slice(0, -1)}?', ${path}], ThrottleReadBps: 60M, ThrottleWriteIOPS: 2k, Weight: '20' }
  none: []
`);
  const found = await wishedBlockIo(classOf('none', 'slow'), file);
  const device = deviceNumbers(statSync(path).rdev);
  expect(found?.weight).toBe(50);
  expect(found?.throttleReadBpsDevice).toContainEqual({ ...device, rate: 60_000_000 });
  expect(
    found?.throttleWriteIOPSDevice?.filter(({ minor, major }) => minor === device.minor && major === device.major),
  ).toEqual([{ ...device, rate: 2000 }]);
  expect(found?.weightDevice).toContainEqual({ ...device, weight: 20 });
  expect(await wishedBlockIo(classOf('none'), file)).toEqual({});
});

test('a container without a class needs no file, and one with a class that there is not is refused', async () => {
  expect(await wishedBlockIo(makeContainerConfig({ image: 'busybox' }), '/nowhere')).toBeUndefined();
  const refused = (config: ReturnType<typeof classOf>, file: string, why: string) =>
    expect(wishedBlockIo(config, file)).rejects.toMatchObject({
      reason: 'failed',
      message: expect.stringContaining(why),
    });
  await refused(classOf('slow'), '/nowhere', 'Cannot have the block I/O class "slow" as there is no file /nowhere');
  await refused(classOf('slow'), fileOf('Classes: { fast: [] }'), 'has no such class');
  const missing = fileOf('Classes: { slow: [{ Devices: [/dev/no-such-*], ThrottleReadBps: 1 }] }');
  await refused(classOf('slow'), missing, 'there is no block device /dev/no-such-*');
  await refused(
    classOf('slow'),
    fileOf('Classes: { slow: [{ Devices: [/dev/null], ThrottleReadBps: 1 }] }'),
    '/dev/null',
  );
  await refused(classOf('slow'), fileOf('Classes: ['), 'is wrong: ');
});

test.each([
  ['{}', 'it has no Classes'],
  ['Classes: { a: 1 }', 'the class a is no list'],
  ['Classes: { a: [1] }', 'the class a has an entry that is no mapping'],
  ['Classes: { a: [{ Disks: [] }] }', 'the class a has an unknown field Disks'],
  ['Classes: { a: [{ Devices: [sda] }] }', 'the class a has Devices that are no paths beginning with /'],
  ['Classes: { a: [{ ThrottleReadBps: 1M }] }', 'the class a limits no Devices'],
  [
    'Classes: { a: [{ Devices: [/dev/sda], ThrottleReadBps: fast }] }',
    'the class a has a ThrottleReadBps that is no amount',
  ],
  ['Classes: { a: [{ Weight: 5 }] }', 'the class a has a Weight that is not from 10 to 1000'],
])('%s is refused', (text, why) => {
  expect(() => parseBlockIoClasses(text)).toThrow(why);
});
