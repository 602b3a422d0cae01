/**
 * What a run of a machine begins from: its kernel, or a snapshot, and then on the node where that lies. Pure. A snapshot that is not there yet, failed, or is of another image or memory is
 * refused before a pod is made.
 */
import type { PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import type { VirtualMachine } from '#pkg/api/virtual-machine.ts';
import { beginsFromSnapshot, type VirtualMachineSnapshot } from '#pkg/api/virtual-machine-snapshot.ts';
import { machineTemplate } from '../common/machine-pod.ts';

/** Why a run cannot begin: a word, and a sentence. */
export interface BeginningProblem {
  readonly reason: string;
  readonly message: string;
}

/** The pod of a run, or why there can be none. */
type Beginning = { readonly template: PodTemplateSpec } | { readonly problem: BeginningProblem };

/** What a machine is to be, as far as its snapshot has to be the same. */
type Wanted = Pick<NonNullable<VirtualMachine['spec']>, 'memory'> & { readonly image: string | undefined };

/** How the next run begins; `snapshot` is what the machine's `snapshotName` names, if there is such a one. */
export function beginningOf(machine: VirtualMachine, snapshot: VirtualMachineSnapshot | undefined): Beginning {
  const template = machineTemplate(machine);
  const { snapshotName, image, memory } = machine.spec ?? {};
  if (snapshotName === undefined) return { template };
  const problem = problemOf(snapshot, snapshotName, { image, ...(memory === undefined ? {} : { memory }) });
  if (problem !== undefined) return { problem };
  const { metadata, spec } = template;
  const term = {
    matchFields: [{ key: 'metadata.name', operator: 'In', values: [snapshot?.status?.nodeName ?? ''] }],
  };
  const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } };
  return {
    template: {
      metadata: {
        ...metadata,
        annotations: { ...metadata?.annotations, [beginsFromSnapshot]: snapshot?.metadata?.uid ?? '' },
      },
      ...(spec === undefined ? {} : { spec: { ...spec, affinity: { nodeAffinity } } }),
    },
  };
}

function problemOf(
  snapshot: VirtualMachineSnapshot | undefined,
  name: string,
  { image, memory }: Wanted,
): BeginningProblem | undefined {
  const problem = (reason: string, what: string): BeginningProblem => ({
    reason: `Snapshot${reason}`,
    message: `the snapshot "${name}" ${what}`,
  });
  if (snapshot === undefined) return problem('NotFound', 'does not exist');
  const { phase = 'InProgress', readyToUse = false, machine, message = '' } = snapshot.status ?? {};
  if (phase === 'Failed') return problem('Failed', `failed: ${message}`);
  if (!readyToUse) return problem('NotReady', 'is not ready yet');
  if (machine?.image !== image)
    return problem('Differs', `is of the image ${machine?.image}, and the machine has ${image}`);
  if (machine?.memory !== memory)
    return problem('Differs', `is of a machine with ${machine?.memory} of memory, and this one has ${memory}`);
  return undefined;
}
