/** Puts the scheduler together from its flags. */

import { connectionOf } from '#cmd/common/connection.ts';
import { openElection } from '#cmd/common/election.ts';
import type { ProcessContext } from '#cmd/common/process-main.ts';
import { schedulerPart } from '#pkg/cluster/parts.ts';
import { schedulerSettings } from '#pkg/cluster/scheduler-flags.ts';
import { closing } from '#pkg/component/closing.ts';
import type { Component } from '#pkg/component/component.ts';
import type { FlagValues } from '#pkg/component/flags.ts';
import { pluginTable } from '#pkg/scheduler/plugin-table.ts';
import type { schedulerFlags } from './options.ts';

/** Makes the scheduler; under leader election unless told otherwise. Throws `UserError` for a connection that cannot be read. */
export async function wireScheduler(
  values: FlagValues<typeof schedulerFlags>,
  context: ProcessContext,
): Promise<Component> {
  // Read first: a file that cannot be ends the process before it has connections to close.
  const settings = await schedulerSettings(values, pluginTable);
  const transport = await connectionOf(values.kubeconfig, { servers: values.servers });
  context.health.set('kube-scheduler', () => undefined);
  const { clock, random } = context;
  const elected = await openElection(values, { clock, uuid: random.uuid() });
  const part = await schedulerPart({ ...context, transport }, { election: elected.election, settings });
  return closing(closing(part, elected), transport);
}
