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
  return (await storeWith(image)).images;
}

async function storeWith(image: ReturnType<typeof testImage>) {
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
  return { store, images: new MachineImages({ open: async () => store, holder: 'node-1' }) };
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
  const images = new MachineImages({});
  expect((await images.find('coxswain.dev/vm/echo'))?.ports).toEqual([8080]);
  expect(await images.find('busybox')).toBeUndefined();
  await expect(images.service.pull('busybox', { annotations: {}, signal: none })).rejects.toMatchObject({
    reason: 'imageNotFound',
  });
});

test('an image stays in the store as long as a machine is made of it, and a node that begins again holds nothing', async () => {
  const { store, images } = await storeWith(testImage([layer({ 'kernel.elf': kernel })], { platform: riscv }));
  const pulled = await images.service.pull(`${registry}echo:v1`, { annotations: {}, signal: none });
  const { removal } = images.service;
  const builtIn = (await new MachineImages({}).service.list()).map(({ id }) => id);
  const used = async () => [...((await removal?.inUse()) ?? [])].filter((id) => !builtIn.includes(id));
  const found = await images.find(`${registry}echo:v1`);
  const letGo = found && (await images.hold(found));
  expect(await used()).toEqual([pulled.id]);
  // Its names go; its contents stay.
  expect(await removal?.remove(pulled.id)).toBe(0);
  await letGo?.();
  expect(await used()).toEqual([]);
  expect(await store.collect()).toBeGreaterThan(10_000);

  const again = await images.service.pull(`${registry}echo:v1`, { annotations: {}, signal: none });
  await images.hold((await images.find(`${registry}echo:v1`))!);
  expect(await used()).toEqual([again.id]);
  const next = new MachineImages({ open: async () => store, holder: 'node-1' });
  await next.find(`${registry}echo:v1`);
  expect([...((await next.service.removal?.inUse()) ?? [])].filter((id) => !builtIn.includes(id))).toEqual([]);
  expect(await next.service.removal?.remove(again.id)).toBeGreaterThan(10_000);
  expect(await next.find(`${registry}echo:v1`)).toBeUndefined();
});
