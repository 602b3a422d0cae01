/** Puts kube-proxy together from its flags. */

import { connectionOf } from '#cmd/common/connection.ts';
import type { ProcessContext } from '#cmd/common/process-main.ts';
import { proxyPart } from '#pkg/cluster/parts.ts';
import { closing } from '#pkg/component/closing.ts';
import type { Component } from '#pkg/component/component.ts';
import type { FlagValues } from '#pkg/component/flags.ts';
import type { proxyFlags } from './options.ts';

/** Makes the proxy of one node, or of all nodes of the machine. Throws `UserError` for a connection that cannot be read. */
export async function wireProxy(values: FlagValues<typeof proxyFlags>, context: ProcessContext): Promise<Component> {
  const transport = await connectionOf(values.kubeconfig, { servers: values.servers });
  context.health.set('kube-proxy', () => undefined);
  const nodeName = values['hostname-override'];
  const options = {
    ...(nodeName === '' ? {} : { nodeName }),
    nodePortAddresses: values['nodeport-addresses'],
    backend: values['proxy-mode'],
    sharesPorts: values['share-ports'],
  };
  return closing(await proxyPart({ ...context, transport }, options), transport);
}
