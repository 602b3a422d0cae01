/** A container is made, looked into and taken away by the OCI runtime that its pod's handler names, whatever others have. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeSandboxConfig } from '#pkg/kubelet/testing/configs.ts';
import { Bench, noContainers, onlyRunc, script, start } from './real-containers.ts';

const patienceMs = 120_000;

describe.skipIf(noContainers !== undefined)('OCI runtimes', () => {
  test('a handler has a program of its own', { timeout: patienceMs }, async () => {
    const bench = new Bench();
    const own = join(bench.folder, 'own');
    const calls = join(bench.folder, 'calls');
    writeFileSync(own, `#!/bin/sh\necho "$@" >> ${calls}\nexec ${onlyRunc.first} "$@"\n`);
    chmodSync(own, 0o755);
    const ociRuntimes = { ...onlyRunc, byHandler: { own } };
    const runtime = await bench.open(undefined, { ociRuntimes });
    try {
      expect([...(runtime.capabilities.handlers ?? [])]).toEqual(['own']);
      await start(runtime, script('exec sleep 100000'), { podUid: 'plain' });
      expect(existsSync(calls)).toBe(false);
      const { id, sandboxId } = await start(runtime, script('exec sleep 100000'), {
        podUid: 'handled',
        runtimeHandler: 'own',
      });
      const { stdout } = await runtime.inspection.exec(id, { command: ['echo', 'inside'] });
      expect(stdout).toBe('inside\n');
      // Another kubelet that has no such program any more still ends what there is.
      runtime.detach();
      const next = await bench.open();
      const asked = next.sandboxes.run(makeSandboxConfig({ podUid: 'late', runtimeHandler: 'own' }));
      await expect(asked).rejects.toThrow('no runtime for "own" is configured');
      await next.sandboxes.remove(sandboxId);
      const verbs = readFileSync(calls, 'utf8').split('\n');
      for (const verb of ['run', 'exec', 'delete'])
        expect(verbs.some((line) => line.includes(` ${verb} `) && line.includes(id))).toBe(true);
      await next.close();
      expect(await bench.remains()).toEqual([]);
    } finally {
      bench.remove();
    }
  });
});
