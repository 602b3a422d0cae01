/** Makes and removes containers without end, in the folder that it is given: a line for each step. For tests that kill it. */
import { writeSync } from 'node:fs';
import { makeSandboxConfig } from '#pkg/kubelet/testing/configs.ts';
import { Bench, script } from './real-containers.ts';

const runtime = await new Bench(process.argv[2]).open();
const step = (): void => void writeSync(1, '\n');
for (const { id } of await runtime.sandboxes.list()) {
  await runtime.sandboxes.remove(id);
  step();
}
for (let round = 0; ; round++) {
  const pid = round % 2 === 0 ? 'container' : 'pod';
  const { namespaces } = makeSandboxConfig();
  const sandbox = await runtime.sandboxes.run(
    makeSandboxConfig({ podUid: `pod-${round % 3}`, namespaces: { ...namespaces, pid } }),
  );
  step();
  const id = await runtime.containers.create(sandbox.id, script('exec sleep 1000'));
  step();
  await runtime.containers.start(id);
  step();
  if (round % 2 === 1) await runtime.sandboxes.remove(sandbox.id);
  step();
}
