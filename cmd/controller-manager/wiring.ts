/** Puts the controller manager together from its flags. */

import { connectionOf, readPem } from '#cmd/common/connection.ts';
import { electionIdentity } from '#cmd/common/election.ts';
import type { ProcessContext } from '#cmd/common/process-main.ts';
import { controllerManagerPart } from '#pkg/cluster/parts.ts';
import { closing } from '#pkg/component/closing.ts';
import type { Component } from '#pkg/component/component.ts';
import type { ControllerManagerValues } from './options.ts';

export async function wireControllerManager(
  values: ControllerManagerValues,
  context: ProcessContext,
): Promise<Component> {
  const transport = await connectionOf(values.kubeconfig);
  const rootCa = values['root-ca-file'] === '' ? {} : { rootCa: await readPem('root-ca-file', values['root-ca-file']) };
  context.health.set('kube-controller-manager', () => undefined);
  const election = electionIdentity(values, context.random.uuid());
  const options = { ...rootCa, podCidr: values['cluster-cidr'], flags: values, ...election };
  return closing(await controllerManagerPart({ ...context, transport }, options), transport);
}
