/** Puts the controller manager together from its flags. */

import { connectionOf, readPair, readPem } from '#cmd/common/connection.ts';
import { openElection } from '#cmd/common/election.ts';
import type { ProcessContext } from '#cmd/common/process-main.ts';
import { accountTransport } from '#pkg/client/account-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { controllerManagerPart } from '#pkg/cluster/parts.ts';
import { closing } from '#pkg/component/closing.ts';
import type { Component } from '#pkg/component/component.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';
import type { ControllerManagerValues } from './options.ts';

/**
 * Makes the controllers that the flags name, over one connection; under leader election unless told otherwise. Throws `UserError` for files that
 * cannot be read.
 */
export async function wireControllerManager(
  values: ControllerManagerValues,
  context: ProcessContext,
): Promise<Component> {
  const transport = await connectionOf(values.kubeconfig, { servers: values.servers });
  const accounts = await connectionOf(values.kubeconfig, { anonymous: true, servers: values.servers });
  const { clock } = context;
  const client = createClient({ transport, userAgent: 'kube-controller-manager', clock });
  const rootCa = values['root-ca-file'] === '' ? {} : { rootCa: await readPem('root-ca-file', values['root-ca-file']) };
  const clusterSigning = await readSigning(values);
  const keyFile = values['service-account-private-key-file'];
  const serviceAccountKey = keyFile === '' ? undefined : await readPem('service-account-private-key-file', keyFile);
  context.health.set('kube-controller-manager', () => undefined);
  const elected = await openElection(values, { clock, uuid: context.random.uuid() });
  const options = {
    ...rootCa,
    ...(clusterSigning === undefined ? {} : { clusterSigning }),
    ...(serviceAccountKey === undefined ? {} : { serviceAccountKey }),
    podCidr: values['cluster-cidr'],
    asAccount: (name: string) =>
      accountTransport({ client, transport: accounts, clock, namespace: 'kube-system', name }),
    flags: values,
    election: elected.election,
  };
  const part = await controllerManagerPart({ ...context, transport }, options);
  return closing(closing(closing(part, elected), accounts), transport);
}

/** The authority for certificates; undefined where neither of its files is named. */
async function readSigning(values: ControllerManagerValues): Promise<CertificatePair | undefined> {
  const [certificate, key] = [values['cluster-signing-cert-file'], values['cluster-signing-key-file']];
  if (certificate === '' && key === '') return undefined;
  return readPair({ certificate: 'cluster-signing-cert-file', key: 'cluster-signing-key-file' }, { certificate, key });
}
