/** `apply --prune`: deletes what was applied before and is named no more. Source: kubectl `cmd/apply/prune.go`, `pkg/util/prune/prune.go`. */
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digText } from './api.ts';
import type { Applied, ApplyRun } from './apply-flags.ts';
import { type Mapping, pathOf } from './discovery.ts';
import { lastAppliedText } from './last-applied.ts';
import { drySuffix } from './printing.ts';
import { listObjects, targetOf } from './targets.ts';

/** What is looked through where the command line names nothing, as group, version and kind. */
const kindsDefault: readonly (readonly [string, string, string])[] = [
  ['', 'v1', 'Namespace'],
  ['', 'v1', 'PersistentVolume'],
  ['', 'v1', 'ConfigMap'],
  ['', 'v1', 'Endpoints'],
  ['', 'v1', 'PersistentVolumeClaim'],
  ['', 'v1', 'Pod'],
  ['', 'v1', 'ReplicationController'],
  ['', 'v1', 'Secret'],
  ['', 'v1', 'Service'],
  ['batch', 'v1', 'Job'],
  ['batch', 'v1', 'CronJob'],
  ['networking.k8s.io', 'v1', 'Ingress'],
  ['apps', 'v1', 'DaemonSet'],
  ['apps', 'v1', 'Deployment'],
  ['apps', 'v1', 'ReplicaSet'],
  ['apps', 'v1', 'StatefulSet'],
];

/** Deletes, and says so of each. Throws `UserError` and what the API answers. */
export async function prune(run: ApplyRun, applied: readonly Applied[]): Promise<void> {
  const { context, values, printer } = run;
  const kept = new Set(applied.map(({ object }) => digText(object, 'metadata', 'uid')));
  const used = new Set(applied.map(({ target }) => target.namespace).filter((name) => name !== undefined));
  const all = await context.discovery.mappings();
  for (const mapping of kindsOf(all, values['prune-allowlist'])) {
    for (const namespace of mapping.namespaced ? used : [undefined]) {
      const scope = { mapping, ...(namespace === undefined ? {} : { namespace }) };
      for (const object of await listObjects(context, scope, { selector: values.selector })) {
        const isOurs = lastAppliedText(object) !== '' && !kept.has(digText(object, 'metadata', 'uid'));
        if (!isOurs || digText(object, 'metadata', 'deletionTimestamp') !== '') continue;
        const target = targetOf(mapping, object);
        if (values['dry-run'] !== 'client') await deletePruned(run, pathOf(mapping, target.namespace, target.name));
        printer.add(target, object, `pruned${drySuffix(values['dry-run'])}`);
      }
    }
  }
}

async function deletePruned({ context, values }: ApplyRun, path: string): Promise<void> {
  try {
    await context.api.call({
      method: 'DELETE',
      path,
      query: { dryRun: values['dry-run'] === 'server' ? 'All' : undefined },
      body: { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' },
    });
  } catch (error) {
    if (!(error instanceof StatusError) || error.reason !== 'NotFound') throw error;
  }
}

function kindsOf(all: readonly Mapping[], allowed: readonly string[]): readonly Mapping[] {
  const wanted = allowed.length === 0 ? kindsDefault : allowed.map(parseKind);
  const found = wanted.map(([group, version, kind]) => {
    const mapping = all.find((one) => one.group === group && one.version === version && one.kind === kind);
    if (mapping !== undefined || allowed.length === 0) return mapping;
    throw new UserError(
      `error: no matches for kind "${kind}" in version "${group === '' ? '' : `${group}/`}${version}"`,
    );
  });
  return found.filter((mapping) => mapping !== undefined);
}

function parseKind(text: string): readonly [string, string, string] {
  const [group = '', version = '', kind = '', ...more] = text.split('/');
  if (kind === '' || more.length > 0)
    throw new UserError(`error: invalid GroupVersionKind format: ${text}, please follow <group/version/kind>`);
  return [group === 'core' ? '' : group, version, kind];
}
