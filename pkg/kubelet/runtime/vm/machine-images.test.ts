/** Machines begin from OCI images of a real store, which unpacks none; those that no machine begins from are refused. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SystemRandom } from '#pkg/base/random.ts';
import { systemCalls } from '#pkg/images/host/system-calls.ts';
import { openImageStore } from '#pkg/images/local/local-image-store.ts';
import { tarEnd, tarFile } from '#pkg/images/tar/tar-writer.ts';
import { fakeRegistries } from '#pkg/images/testing/fake-registries.ts';
import { testFolder } from '#pkg/images/testing/folders.ts';
import { HastyClock } from '#pkg/images/testing/hasty-clock.ts';
import { testImage } from '#pkg/images/testing/image-documents.ts';
import { imageProblem } from './images.ts';
import { MachineImages } from './machine-images.ts';

const kernel = readFileSync(new URL('../../../vmm/guests/echo/echo.elf', import.meta.url));
const registry = 'registry.example.com/guests/';
const riscv = { os: 'linux', architecture: 'riscv64' };

function layer(files: Readonly<Record<string, Uint8Array | string>>): Buffer {
  return Buffer.concat([...Object.entries(files).map(([path, bytes]) => tarFile({ path }, bytes)), tarEnd()]);
}

async function imagesWith(image: ReturnType<typeof testImage>) {
  const registries = fakeRegistries();
  registries.add(`${registry}echo:v1`, image);
  const store = await openImageStore({
    folder: join(testFolder(), 'images'),
    calls: await systemCalls(),
    clock: new HastyClock(),
    random: new SystemRandom(),
    platform: riscv,
    registries,
    snapshotter: 'auto',
    isRoot: false,
  });
  return new MachineImages(async () => store);
}

const none = new AbortController().signal;

test('kernel, disk and command line are those of its layers', async () => {
  const layers = [layer({ 'kernel.elf': kernel, 'disk.img': 'old' }), layer({ 'disk.img': 'sectors' })];
  const config = { Cmd: ['port=9', 'quiet'] };
  const images = await imagesWith(testImage(layers, { platform: riscv, config }));
  expect(await images.find(`${registry}echo:v1`)).toBeUndefined();
  const pulled = await images.service.pull(`${registry}echo:v1`, { annotations: {}, signal: none });
  expect(await images.service.status(`${registry}echo:v1`)).toEqual(pulled);
  const found = await images.find(`${registry}echo:v1`);
  expect(found).toMatchObject({ info: pulled, commandLine: 'port=9 quiet', ports: [] });
  expect(Buffer.from(found?.disk ?? []).toString()).toBe('sectors');
  expect(found && imageProblem(found, 8 << 20)).toBeUndefined();
  expect((await images.service.list()).map(({ id }) => id)).toContain(pulled.id);
});

test.each([
  ['is for amd64, and machines are riscv64', testImage([layer({ 'kernel.elf': kernel })])],
  ['has neither kernel.elf nor Image', testImage([layer({ 'boot/kernel.elf': kernel })], { platform: riscv })],
])('one that %s is refused', async (problem, image) => {
  const images = await imagesWith(image);
  await images.service.pull(`${registry}echo:v1`, { annotations: {}, signal: none });
  await expect(images.find(`${registry}echo:v1`)).rejects.toThrow(problem);
});

test('built-in images need no store, and what is nowhere is not found', async () => {
  const images = new MachineImages(undefined);
  expect((await images.find('coxswain.dev/vm/echo'))?.ports).toEqual([8080]);
  expect(await images.find('busybox')).toBeUndefined();
  await expect(images.service.pull('busybox', { annotations: {}, signal: none })).rejects.toMatchObject({
    reason: 'imageNotFound',
  });
});
