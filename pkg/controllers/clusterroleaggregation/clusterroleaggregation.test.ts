import { expect, test } from 'vitest';
import type { ClusterRole } from '#pkg/api/types/rbac-v1.ts';
import { clusterRoles } from '#pkg/api/types/refs.ts';
import { startTestCluster } from '#pkg/testing/cluster.ts';

const label = (role: string) => ({ [`rbac.authorization.k8s.io/aggregate-to-${role}`]: 'true' });

test('roles gather the rules of those that are labelled for them, and let them go', async () => {
  const cluster = await startTestCluster({ nodes: 0 });
  const resource = cluster.client.resource(clusterRoles);
  const verbsOn = async (name: string, kind: string): Promise<readonly string[]> => {
    const { rules } = (await resource.get(name)) as ClusterRole;
    return (rules ?? []).flatMap(({ resources, verbs }) => (resources?.includes(kind) ? (verbs ?? []) : []));
  };
  const settled = (name: string, kind: string, expected: readonly string[]) =>
    cluster.until(async () => (await verbsOn(name, kind)).join() === expected.join());
  // What edit gathers, admin gathers from edit.
  await settled('view', 'pods/log', ['get', 'list', 'watch']);
  await settled('admin', 'pods/log', ['get', 'list', 'watch']);
  await settled('view', 'secrets', []);
  expect(await verbsOn('admin', 'roles')).toContain('create');
  const rules = [{ verbs: ['list'], apiGroups: ['example.com'], resources: ['boats'] }];
  await resource.create({ metadata: { name: 'boats', labels: label('view') }, rules });
  await settled('admin', 'boats', ['list']);
  await resource.delete('boats');
  await settled('admin', 'boats', []);
  await cluster.stop();
});
