/** Puts cluster-dns together from its flags. */
import { connectionOf } from '#cmd/common/connection.ts';
import type { ProcessContext } from '#cmd/common/process-main.ts';
import { dnsPart } from '#pkg/cluster/parts.ts';
import { closing } from '#pkg/component/closing.ts';
import type { Component } from '#pkg/component/component.ts';
import type { FlagValues } from '#pkg/component/flags.ts';
import type { dnsFlags } from './options.ts';

/** Makes the name server. Throws `UserError` for a connection that cannot be read. */
export async function wireDns(values: FlagValues<typeof dnsFlags>, context: ProcessContext): Promise<Component> {
  const transport = await connectionOf(values.kubeconfig, { servers: values.servers });
  context.health.set('cluster-dns', () => undefined);
  const options = { address: values.address, domain: values['cluster-domain'], resolvConf: values['resolv-conf'] };
  return closing(await dnsPart({ ...context, transport }, options), transport);
}
