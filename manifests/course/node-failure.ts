/**
 * A node falls silent, on virtual time: when its pods run elsewhere, and who noticed. Run by `npx node --conditions=coxswain-source manifests/course/node-failure.ts [tolerated seconds]` in a checkout.
 */
import process from 'node:process';
import { isPodReady, makeDeployment, startTestCluster } from 'coxswain/testing';

const tolerationSeconds = Number(process.argv[2] ?? 300);
const tolerations = ['not-ready', 'unreachable'].map((name) => ({
  key: `node.kubernetes.io/${name}`,
  operator: 'Exists' as const,
  effect: 'NoExecute' as const,
  tolerationSeconds,
}));

const cluster = await startTestCluster({ nodes: 3, seed: 1 });
await cluster.apply(makeDeployment('web', { replicas: 3, podSpec: { tolerations } }));
const ready = (elsewhereThan = '') =>
  cluster.pods().filter((pod) => isPodReady(pod) && pod.spec?.nodeName !== elsewhereThan).length;
await cluster.until(() => ready() === 3);
const [lost] = cluster.nodes.filter(({ name }) => ready() > ready(name));
if (lost === undefined) throw new Error('no node has a pod');
const startMs = cluster.clock.monotonicMs();
const say = (text: string): void => {
  const seconds = Math.round((cluster.clock.monotonicMs() - startMs) / 1000);
  process.stdout.write(`after ${seconds} s: ${text}\n`);
};
say(`${lost.name} falls silent with ${3 - ready(lost.name)} of 3 pods`);
await lost.silence();
await cluster.until(() => ready() < 3, 3_600_000);
say('its lease has run out, the node is unreachable and its pods count as not ready');
await cluster.until(() => ready(lost.name) === 3, 3_600_000);
say('its pods are evicted, and as many are ready elsewhere');
await cluster.stop();
