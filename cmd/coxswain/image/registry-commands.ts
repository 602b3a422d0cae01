/** Commands of images that ask registries, and the one that is a registry. */

import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { aborted } from '#pkg/base/async.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { integer } from '#pkg/component/flags.ts';
import { runUntilSignal } from '#pkg/component/signals.ts';
import { systemCalls } from '#pkg/images/host/system-calls.ts';
import { parseReference, wholeName } from '#pkg/images/reference.ts';
import { openRegistry } from '#pkg/images/registry/registry.ts';
import { createServer } from '#pkg/serving/node-http.ts';
import { clusterFlags } from '../cluster-flags.ts';
import { formatted, outputFlag } from '../output.ts';
import type { World } from '../world.ts';
import { imageCommand, shortId, sizeText } from './image-command.ts';
import { loginsFor } from './logins.ts';
import { imagesFlags, openImages, placeOfImages, withoutWarnings } from './open-images.ts';
import { announceRegistry, withdrawRegistry } from './registry-hosting.ts';

/** `coxswain image pull`. */
export const pull = imageCommand({
  name: 'pull',
  summary: 'Get an image from its registry.',
  takes: 'NAME',
  least: 1,
  most: 1,
  flags: { ...imagesFlags, output: outputFlag },
  async run(world, values, [name = '']) {
    const logins = await loginsFor(world, name);
    const store = await openImages(world, values);
    const progress = progressLine(world);
    const image = await store.pull(name, { logins, progress: progress.show }).finally(progress.end);
    if (values.output !== '') world.write(await formatted(image, values.output));
    else
      world.write(`Pulled ${wholeName(parseReference(name))} (${shortId(image.id)}, ${sizeText(image.sizeBytes)})\n`);
    return 0;
  },
});

/** `coxswain image push`. */
export const push = imageCommand({
  name: 'push',
  summary: 'Send an image to the registry of its name.',
  takes: 'NAME',
  least: 1,
  most: 1,
  flags: imagesFlags,
  async run(world, values, [name = '']) {
    const logins = await loginsFor(world, name);
    await (await openImages(world, values)).push(name, { logins });
    world.write(`Pushed ${name}\n`);
    return 0;
  },
});

/** `coxswain image registry`. */
export const registry = imageCommand({
  name: 'registry',
  summary: 'Be a registry for development on this machine alone, until it is interrupted.',
  takes: '',
  least: 0,
  most: 0,
  flags: {
    ...clusterFlags,
    port: integer({ help: 'Port to listen on; 0 for a free one.', fallback: 5000, max: 65_535 }),
  },
  async run(world, values) {
    const { clock, random } = world;
    const data = await placeOfImages(world, values);
    const folder = join(data, 'registry');
    const served = await openRegistry({
      folder,
      calls: await withoutWarnings(systemCalls),
      clock,
      random,
      log: silentLogger,
    });
    const server = createServer((request, response) => void served.handle(request, response));
    // A layer takes as long as it takes; what stands still is given up.
    server.requestTimeout = 0;
    server.timeout = idleMs;
    await new Promise<void>((done, fail) => {
      server.on('error', fail);
      server.listen(values.port, '127.0.0.1', done);
    });
    const host = hostOf(server.address());
    world.write(`Serving a registry on ${host}\n`);
    const isTold = await announceRegistry(world, data, host);
    const options = { signals: process, clock, forceExit: (code: number) => process.exit(code) };
    await runUntilSignal(options, aborted);
    if (isTold) await withdrawRegistry(world, data);
    server.closeAllConnections();
    await new Promise<void>((done) => void server.close(() => done()));
    await served.close();
    return 0;
  },
});

/** A connection on which nothing moves for so long is closed. */
const idleMs = 60_000;

function hostOf(address: AddressInfo | string | null): string {
  return address === null || typeof address === 'string' ? '' : `localhost:${address.port}`;
}

interface Progress {
  readonly digest: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** One line that says how far a pull is, where a person looks at it. */
function progressLine(world: World): { readonly show: (progress: Progress) => void; readonly end: () => void } {
  const blobs = new Map<string, Progress>();
  let shown = '';
  const write = (line: string): void => {
    if (!world.isTerminal || line === shown) return;
    shown = line;
    world.writeError(`\r\u001b[K${line}`);
  };
  return {
    show(progress) {
      blobs.set(progress.digest, progress);
      let [done, total] = [0, 0];
      for (const one of blobs.values()) {
        done += one.doneBytes;
        total += one.totalBytes;
      }
      write(`${sizeText(done)} of ${sizeText(total)}`);
    },
    end: () => write(''),
  };
}
