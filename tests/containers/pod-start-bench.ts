/**
 * How long a container takes to run, image present: `node tests/containers/pod-start-bench.ts [rounds]`, as root. In turn: a sandbox with a container of this
 * runtime, `docker run -d` where an engine answers, and `runc run`, each of the same program; then a hundred pods at once. Prints medians in milliseconds.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { openClusterImages } from '#pkg/cluster/images.ts';
import { makeContainerConfig, makeSandboxConfig } from '#pkg/kubelet/testing/configs.ts';
import { writeBusyboxArchive } from './busybox-image.ts';
import { folderImages } from './folder-images.ts';
import { Bench } from './real-containers.ts';

const rounds = Number(process.argv[2] ?? 10);
const together = 100;
const bench = new Bench();
const archive = join(bench.folder, 'busybox.tar');
writeBusyboxArchive(archive, 'docker.io/library/busybox:latest');
const images = await openClusterImages({
  folder: join(bench.folder, 'cluster'),
  clock: new SystemClock(),
  random: new SystemRandom(),
  architecture: process.arch,
  isRoot: true,
});
await images.load(archive);
const runtime = await bench.open(images);
console.log(`roots by ${images.snapshotter.kind}`);
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const timed = async (work: () => Promise<unknown> | unknown): Promise<number> => {
  const before = performance.now();
  await work();
  return performance.now() - before;
};
const pod = async (podUid: string): Promise<void> => {
  const sandbox = await runtime.sandboxes.run(makeSandboxConfig({ podUid }));
  await runtime.containers.start(
    await runtime.containers.create(sandbox.id, makeContainerConfig({ image: 'busybox', command: ['sleep', '1000'] })),
  );
};

// What the others run: the same root.
const root = (await folderImages(join(bench.folder, 'images')).prepare('bench', '')).path;
const hasEngine = spawnSync('docker', ['info'], { stdio: 'ignore' }).status === 0;
if (hasEngine)
  execFileSync('sh', ['-c', `tar -C ${root} -c . | docker import - coxswain-bench:busybox`], { stdio: 'ignore' });
const bundle = join(bench.folder, 'bundle');
mkdirSync(bundle);
execFileSync('runc', ['spec', '--bundle', bundle]);
const spec = JSON.parse(execFileSync('cat', [join(bundle, 'config.json')], { encoding: 'utf8' }));
spec.process.terminal = false;
spec.process.args = ['sleep', '1000'];
writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
cpSync(root, join(bundle, 'rootfs'), { recursive: true, verbatimSymlinks: true });

const times: Record<'docker' | 'pod' | 'runc', number[]> = { pod: [], docker: [], runc: [] };
for (let round = 0; round < rounds; round++) {
  times.pod.push(await timed(() => pod(`bench-${round}`)));
  if (hasEngine) {
    times.docker.push(
      await timed(() =>
        execFileSync('docker', [
          'run',
          '-d',
          '--rm',
          '--label',
          'coxswain-bench',
          'coxswain-bench:busybox',
          'sleep',
          '1000',
        ]),
      ),
    );
  }
  const name = `coxswain-bench-${process.pid}-${round}`;
  times.runc.push(
    await timed(() => execFileSync('runc', ['run', '-d', '--bundle', bundle, name], { stdio: 'ignore' })),
  );
  execFileSync('runc', ['delete', '--force', name]);
}
for (const [name, values] of Object.entries(times)) console.log(`${name}: ${median(values).toFixed(0)} ms`);
const all = await timed(() => Promise.all(Array.from({ length: together }, (_, index) => pod(`together-${index}`))));
console.log(`${together} pods together: ${all.toFixed(0)} ms`);
await runtime.close();
if (hasEngine) {
  execFileSync(
    'sh',
    ['-c', 'docker rm -f $(docker ps -q --filter label=coxswain-bench) && docker rmi coxswain-bench:busybox'],
    { stdio: 'ignore' },
  );
}
bench.remove();
