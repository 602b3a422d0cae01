/** A cluster that is large and does nothing: its objects, written straight, for whoever looks at how they are shown. */
import { nodes as nodesRef, pods as podsRef, serviceAccounts } from '#pkg/api/types/refs.ts';
import { makePod } from '#pkg/testing/builders.ts';
import type { ListeningTestCluster } from '#pkg/testing/cluster.ts';

/** Writers at a time. */
const writers = 64;

async function inTurns(total: number, write: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < total) await write(next++);
  };
  await Promise.all(Array.from({ length: writers }, work));
}

/** Writes nodes that are ready, and pods `app-0`, `app-1` and so on, which are on them in turns and ask for amounts that differ. The same each time. */
export async function fillCluster(
  { client }: ListeningTestCluster,
  { nodes, pods }: { readonly nodes: number; readonly pods: number },
): Promise<void> {
  const resources = { cpu: '32', memory: '128Gi', pods: '110' };
  const conditions = [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: '' }];
  await inTurns(nodes, (index) =>
    client.resource(nodesRef).create({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: `node-${index}` },
      status: { capacity: resources, allocatable: resources, conditions },
    }),
  );
  const metadata = { name: 'default', namespace: 'default' };
  await client.resource(serviceAccounts).create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  await inTurns(pods, (index) => {
    const pod = makePod(`app-${index}`)
      .labels({ app: `app-${index % 500}` })
      .request({ cpu: `${100 + 37 * (index % 40)}m`, memory: `${128 + 91 * (index % 50)}Mi` }).object;
    return client.resource(podsRef).create({ ...pod, spec: { ...pod.spec!, nodeName: `node-${index % nodes}` } });
  });
}
