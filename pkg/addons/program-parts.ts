/** What the programs of addons share: the connection to the cluster that a pod has, and a page that says whether they are ready. */
import { readFileSync } from 'node:fs';
import { Metrics } from '#pkg/base/metrics.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { type NetworkTransport, networkTransport } from '#pkg/client/network-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import type { ComponentDeps } from '#pkg/component/component.ts';
import { createLogger } from '#pkg/component/logger.ts';
import type { ProgramContext } from '#pkg/kubelet/runtime/inprocess/program.ts';

const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';
/** The kubelet renews tokens long before they end: one is read again after this time. */
const tokenKeptMs = 60_000;

/** The pod's connection, in the name of its service account, or of who has the token. */
export function podTransport(context: ProgramContext, ofOther?: string): NetworkTransport {
  const { env, clock, resolve } = context;
  const read = (name: string): string => readFileSync(resolve(`${accountFolder}/${name}`), 'utf8').trim();
  let token = '';
  let readAtMs = Number.NEGATIVE_INFINITY;
  return networkTransport({
    server: `https://${env.KUBERNETES_SERVICE_HOST}:${env.KUBERNETES_SERVICE_PORT}`,
    ca: read('ca.crt'),
    token: () => {
      if (ofOther !== undefined) return ofOther;
      if (clock.monotonicMs() - readAtMs > tokenKeptMs) {
        token = read('token');
        readAtMs = clock.monotonicMs();
      }
      return token;
    },
  });
}

/** What a component of a pod is given. */
export function podDeps(context: ProgramContext, transport: NetworkTransport): ComponentDeps {
  const { clock } = context;
  const random = new SystemRandom();
  const log = createLogger({ write: (line) => context.log(line.trimEnd()), clock });
  const client = createClient({ transport, userAgent: `coxswain-addon/${context.hostname}`, clock });
  return {
    client,
    informers: createInformers({ client, clock, random, log }),
    clock,
    random,
    log,
    metrics: new Metrics(),
  };
}
