/** The `etcd` stand-in of `coxswain envtest` as a process. It does as little as it can: whoever starts it waits for it. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { join, resolve } from 'node:path';
import { explain } from '#cmd/common/errors.ts';
import { keepCompiledCode, storeCompiledCode } from '#cmd/common/load-code.js';
import { errorCode } from '#pkg/base/error-code.ts';
import { type EtcdOptions, etcdArguments, etcdHelp } from './options.ts';
import { standInServers } from './server.ts';

/** Exit code for a command line that etcd would not take. Source: etcd `server/etcdmain/config.go`. */
const usageError = 2;

keepCompiledCode();
try {
  const read = etcdArguments(process.argv.slice(2));
  if (read.kind === 'run') await serve(read.options);
  else if (read.kind === 'help') process.stdout.write(etcdHelp());
  else if (read.kind === 'version') process.stdout.write('etcd Version: coxswain-stand-in\n');
  else {
    process.stderr.write(`etcd: ${read.message} (see --help)\n`);
    process.exitCode = usageError;
  }
} catch (error) {
  process.stderr.write(`etcd: ${explain(error)}\n`);
  process.exitCode = 1;
}

/** Listens, and ends at the first signal that asks for it: what it keeps is on the disk, written by its claimant. */
async function serve({ dataDir, clientUrls, waitsForDisk }: EtcdOptions): Promise<void> {
  const folder = resolve(dataDir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const all = standInServers({ dataDir: folder, id: idOf(folder), waitsForDisk }, clientUrls);
  const end = (): void => {
    for (const { server } of all) {
      server.close();
      server.closeAllConnections();
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  try {
    await Promise.all(all.map(({ server, url }) => listen(server, new URL(url))));
  } catch (error) {
    end();
    throw error;
  }
  process.stderr.write(`etcd: Serves the kube-apiserver stand-in at ${clientUrls.join(',')}, data in ${folder}\n`);
  storeCompiledCode();
}

/** The id of the folder, made where it has none. */
function idOf(folder: string): string {
  const file = join(folder, 'stand-in-id');
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    const id = randomUUID();
    writeFileSync(file, `${id}\n`, { mode: 0o600 });
    return id;
  }
}

function listen(server: Server, { hostname, port }: URL): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    // Of a URL with the scheme's own port nothing is left.
    server.listen(Number(port || '80'), hostname.replace(/^\[(.*)\]$/, '$1'), () => done());
  });
}
