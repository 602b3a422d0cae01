/**
 * What a cluster file wants of a cluster that is ready: roles, labels and taints of its nodes, definitions, objects. Done again it changes nothing, so a
 * file that changed is followed by a cluster that runs. What fails leaves the cluster as it is by then, and running.
 */
import { nodes } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isConflict } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';
import { labelsOf, type NodeSpec, type NodeTaint, taintName } from '#pkg/cluster/node-spec.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { withClient } from '../cluster-objects.ts';
import { kubectlCommand } from '../kubectl.ts';
import type { UpPlan } from '../up.ts';

/** Writes of a node that may meet those of controllers. */
const triesMax = 20;

/** Does all of it, and keeps it with the cluster. Throws `UserError` for what the server refuses. */
export async function followFile(plan: UpPlan): Promise<void> {
  const { world, folder, settings, before, kept } = plan;
  const { nodeSpecs } = settings;
  if (nodeSpecs !== undefined) {
    const choice = { name: settings.name, dataDir: folder.path, kubeconfig: '' };
    const had = new Map(before?.settings.nodeSpecs?.map((spec) => [spec.name, spec]));
    await withClient(world, choice, async (client) => {
      for (const spec of nodeSpecs) await followNode(client, spec, had.get(spec.name) ?? { name: spec.name });
    });
  }
  for (const path of kept?.crds ?? []) {
    await apply(plan, path);
    await kubectl(plan, path, ['wait', '--for=condition=Established', '--timeout=60s', '-f', path]);
  }
  for (const path of kept?.manifests ?? []) await apply(plan, path);
  const record = await folder.read();
  if (record === undefined) return;
  const now = {
    ...record,
    settings: { ...record.settings, ...(nodeSpecs === undefined ? {} : { nodeSpecs }) },
    ...(kept === undefined ? {} : { file: kept }),
  };
  if (!deepEqual(now, record)) await folder.write(now);
}

/** What a file no longer says of a node goes; what others said of it stays. */
async function followNode(client: Client, spec: NodeSpec, had: NodeSpec): Promise<void> {
  for (let tries = 1; ; tries++) {
    const { metadata, spec: now } = await client.resource(nodes).get(spec.name);
    const { labels = {}, resourceVersion } = metadata ?? {};
    const patch = nodePatch({ labels, taints: now?.taints ?? [], resourceVersion }, spec, had);
    if (patch === undefined) return;
    try {
      await client.resource(nodes).patch(spec.name, patch, { type: 'merge' });
      return;
    } catch (error) {
      if (!isConflict(error) || tries === triesMax) throw error;
    }
  }
}

interface NodeNow {
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly NodeTaint[];
  readonly resourceVersion: string | undefined;
}

/** The merge patch by which a node becomes what is wanted of it; undefined where it is that. */
export function nodePatch(now: NodeNow, spec: NodeSpec, had: NodeSpec): JsonObject | undefined {
  const wanted = labelsOf(spec);
  const gone = Object.keys(labelsOf(had)).filter(
    (key) => !Object.hasOwn(wanted, key) && Object.hasOwn(now.labels, key),
  );
  const changed = Object.entries(wanted).filter(([key, value]) => now.labels[key] !== value);
  const own = new Set([...(had.taints ?? []), ...(spec.taints ?? [])].map(taintName));
  const before = now.taints.filter((taint) => own.has(taintName(taint))).map(plain);
  const after = (spec.taints ?? []).map(plain);
  const isTainted =
    before.length === after.length && after.every((one) => before.some((other) => deepEqual(one, other)));
  if (gone.length === 0 && changed.length === 0 && isTainted) return undefined;
  const others = now.taints.filter((taint) => !own.has(taintName(taint)));
  return {
    // What a controller wrote meanwhile is looked at first.
    metadata: {
      resourceVersion: now.resourceVersion,
      labels: { ...Object.fromEntries(gone.map((key) => [key, null])), ...Object.fromEntries(changed) },
    },
    ...(isTainted ? {} : { spec: { taints: [...others, ...after] } }),
  };
}

function plain({ key, value, effect }: NodeTaint): NodeTaint {
  return { key, effect, ...(value === undefined || value === '' ? {} : { value }) };
}

function apply(plan: UpPlan, path: string): Promise<void> {
  return kubectl(plan, path, ['apply', '--server-side', '--force-conflicts', '--field-manager=coxswain', '-f', path]);
}

/** Runs kubectl without its words: they are for whoever asked for it. */
async function kubectl({ world, folder }: UpPlan, path: string, args: readonly string[]): Promise<void> {
  let complaint = '';
  const quiet = {
    ...world,
    write: () => {},
    writeError: (text: string) => {
      complaint += text;
    },
  };
  const code = await kubectlCommand(quiet, [`--kubeconfig=${folder.kubeconfig}`, ...args]);
  if (code === 0) return;
  const lines = complaint.split('\n').filter((line) => line !== '' && !line.startsWith('Warning: '));
  throw new UserError(
    `Cannot apply ${path}: ${lines.join(' ').replace(/^(error|Error from server[^:]*): /, '') || `exit code ${code}`}`,
  );
}
