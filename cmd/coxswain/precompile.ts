/**
 * Makes what a start needs, so that the first one is as quick as the others: an install runs it. First the bundle of a checkout, where the bundler
 * is installed; then compiled code, of the bundle by a cluster without sockets and files that lives for a moment, of the sources by loading them.
 *
 * What is there and says what the sources do is left alone: npx in a checkout installs it once more, before the first command.
 */

import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleFolder, compiledFolder, keepCompiledCode, storeCompiledCode } from '#cmd/common/load-code.js';
import { serverNodeFlags } from '#cmd/common/node-flags.js';
import { errorCode } from '#pkg/base/error-code.ts';

/** Argument with which this program only compiles the bundle: what it has compiled is kept with the flags that a server has. */
const onlyBundle = '--only-bundle';

/** Says for which bundle and Node the code was compiled. */
const marker = join(compiledFolder, 'made-for');

if (process.argv[2] === onlyBundle) {
  keepCompiledCode();
  await compileBundle();
} else if (!isMade()) {
  // What was compiled of earlier sources would stay for ever.
  rmSync(compiledFolder, { recursive: true, force: true });
  keepCompiledCode();
  await makeBundle();
  const self = fileURLToPath(import.meta.url);
  spawnSync(process.execPath, [...serverNodeFlags(), self, onlyBundle], { stdio: 'inherit' });
  await compileSources();
  writeFileSync(marker, madeFor());
}
storeCompiledCode();

function isMade(): boolean {
  try {
    return bundleFolder() !== undefined && readFileSync(marker, 'utf8') === madeFor();
  } catch {
    // No install has come this far.
    return false;
  }
}

function madeFor(): string {
  return `${process.version} ${bundleFolder()?.href}`;
}

async function makeBundle(): Promise<void> {
  try {
    const { bundleCheckout } = await import('../../deploy/package/bundle.ts');
    await bundleCheckout();
  } catch (error) {
    // Without the packages for development a checkout runs its sources.
    if (errorCode(error) !== 'ERR_MODULE_NOT_FOUND') throw error;
  }
}

async function compileBundle(): Promise<void> {
  const folder = bundleFolder();
  if (folder === undefined) return;
  const { startTestCluster } = (await import(
    new URL('testing.js', folder).href
  )) as typeof import('#pkg/testing/cluster.ts');
  const cluster = await startTestCluster();
  await cluster.stop();
}

async function compileSources(): Promise<void> {
  await Promise.all([
    import('./up-detached.ts'),
    import('./up-foreground.ts'),
    import('./up-processes.ts'),
    import('./down.ts'),
    import('./status.ts'),
    import('./kubectl.ts'),
    import('#cmd/apiserver/wiring.ts'),
    import('#cmd/kubelet/wiring.ts'),
    import('#pkg/cluster/parts.ts'),
    import('#pkg/controllers/manager.ts'),
    import('#pkg/kubelet/kubelet.ts'),
    import('#pkg/kubelet/probes/socket-transport.ts'),
    import('#pkg/kubelet/runtime/inprocess/inprocess-runtime.ts'),
    import('#pkg/kubelet/runtime/inprocess/host/host-process.ts'),
    import('#pkg/kubelet/runtime/inprocess/host/program-host.ts'),
    import('#pkg/kubelet/volumes/disk-volume-host.ts'),
    import('#pkg/network/loopback/loopback-network.ts'),
    import('#pkg/proxy/backends/userspace/userspace-backend.ts'),
    import('#pkg/proxy/proxy.ts'),
    import('#pkg/scheduler/scheduler.ts'),
    import('#pkg/storage/drivers/lmdb/lmdb-store.ts'),
  ]);
}
