/** What a validating webhook and fifty policies add to a create, measured in turns with and without them. */
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { sleep } from '#pkg/base/async.ts';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import { type Stage, timed } from './bars-stage.ts';
import { clock } from './load.ts';
import { podBody } from './objects.ts';
import { cpuMsOf } from './server.ts';
import { median } from './statistics.ts';

const createsEach = 300;
const warmUps = 30;
const rounds = 4;
const settleMs = 1_000;
const policies = 50;
const lookedAtMsMax = 60_000;
const lookAgainMs = 200;
const registration = '/apis/admissionregistration.k8s.io/v1';
const configMaps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';

/** What a create takes, in milliseconds: the median of the answers, and the server's processor time. */
interface Cost {
  readonly answer: number;
  readonly cpu: number;
}

/** A create with something and without it. */
async function inTurns(
  stage: Stage,
  {
    add,
    remove,
    create,
  }: { add(): Promise<void>; remove(): Promise<void>; create(n: number): { path: string; body: string } },
): Promise<{ readonly withIt: Cost; readonly without: Cost }> {
  const [client] = stage.clients;
  const times: { withIt: number[]; without: number[] } = { withIt: [], without: [] };
  const cpuMs = { withIt: 0, without: 0 };
  const pids = [stage.serverPid()];
  let n = 0;
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? (['without', 'withIt'] as const) : (['withIt', 'without'] as const)) {
      if (side === 'withIt') await add();
      await sleep(clock, settleMs);
      let startMs = 0;
      for (let i = 0; i < createsEach; i++) {
        // The first ones open connections and compile.
        if (i === warmUps) startMs = cpuMsOf(pids);
        const { path, body } = create(n++);
        const tookMs = await timed(client!, { method: 'POST', path, body });
        if (i >= warmUps) times[side].push(tookMs);
      }
      cpuMs[side] += cpuMsOf(pids) - startMs;
      if (side === 'withIt') await remove();
    }
  }
  const costOf = (side: 'withIt' | 'without'): Cost => ({
    answer: median(times[side]),
    cpu: cpuMs[side] / times[side].length,
  });
  return { withIt: costOf('withIt'), without: costOf('without') };
}

/** A webhook of this process, asked through the server and by itself. */
export async function webhookBars(stage: Stage): Promise<void> {
  const [client] = stage.clients;
  const nowMs = clock.nowMs();
  const authority = issueAuthority({ subject: { commonName: 'bars' }, nowMs, validDays: 1 });
  const pair = issueLeaf(authority, {
    subject: { commonName: 'webhook' },
    usage: 'server',
    hosts: ['127.0.0.1'],
    nowMs,
    validDays: 1,
  });
  const server = createServer({ cert: pair.certificate, key: pair.key }, (asked, answer) => {
    const parts: Buffer[] = [];
    asked.on('data', (part: Buffer) => parts.push(part));
    asked.on('end', () => {
      const { request: review } = JSON.parse(Buffer.concat(parts).toString()) as { request: { uid: string } };
      const response = { uid: review.uid, allowed: true };
      answer.setHeader('content-type', 'application/json');
      answer.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `https://127.0.0.1:${port}/`;
  const path = `${registration}/validatingwebhookconfigurations`;
  const configuration = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'bars' },
    webhooks: [
      {
        name: 'bars.example.com',
        clientConfig: { url, caBundle: Buffer.from(authority.certificate).toString('base64') },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      },
    ],
  };
  const { withIt, without } = await inTurns(stage, {
    add: async () => void (await timed(client!, { method: 'POST', path, body: JSON.stringify(configuration) })),
    remove: async () => void (await timed(client!, { method: 'DELETE', path: `${path}/bars` })),
    create: (n) => ({
      path: configMaps,
      body: JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `w${n}` } }),
    }),
  });
  const bare = await bareCalls(url, authority.certificate);
  server.close();
  server.closeAllConnections();
  stage.say({ figure: 'a create', value: without.answer, unit: 'ms' });
  stage.say({ figure: 'a create with a webhook', value: withIt.answer, unit: 'ms' });
  stage.say({ figure: 'the webhook by itself', value: bare, unit: 'ms' });
  const beyond = withIt.answer - without.answer - bare;
  stage.say({ figure: 'a webhook adds beyond itself', value: beyond, unit: 'ms', most: 1 });
  const cpu = withIt.cpu - without.cpu;
  stage.say({ figure: 'a webhook adds to the processor time of the server', value: cpu, unit: 'ms', most: 1 });
}

/** Median of what a review takes that is sent to the webhook directly. */
async function bareCalls(url: string, ca: string): Promise<number> {
  const { Agent } = await import('node:https');
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca });
  const body = JSON.stringify({
    request: { uid: 'x', object: { metadata: { name: 'x', managedFields: ['x'.repeat(400)] } } },
  });
  const times: number[] = [];
  for (let n = 0; n < createsEach; n++) {
    const startMs = clock.monotonicMs();
    await new Promise<void>((resolve, reject) => {
      const asked = request(
        url,
        { method: 'POST', agent, headers: { 'content-type': 'application/json' } },
        (answer) => {
          answer.resume();
          answer.on('end', resolve);
        },
      );
      asked.on('error', reject);
      asked.end(body);
    });
    times.push(clock.monotonicMs() - startMs);
  }
  agent.destroy();
  return median(times);
}

/** Policies about pods, each with a binding and two expressions. */
export async function policyBars(stage: Stage): Promise<void> {
  const [client] = stage.clients;
  const [policyPath, bindingPath] = [
    `${registration}/validatingadmissionpolicies`,
    `${registration}/validatingadmissionpolicybindings`,
  ];
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const add = async (): Promise<void> => {
    for (let n = 0; n < policies; n++) {
      const name = `bars-${n}`;
      const spec = {
        matchConstraints: {
          resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
        },
        validations: [
          {
            expression: 'object.spec.containers.all(c, !has(c.securityContext) || !has(c.securityContext.privileged))',
          },
          { expression: `!has(object.metadata.labels) || !("bars-${n}" in object.metadata.labels)` },
        ],
      };
      const policy = { apiVersion, kind: 'ValidatingAdmissionPolicy', metadata: { name }, spec };
      await timed(client!, { method: 'POST', path: policyPath, body: JSON.stringify(policy) });
      const bound = { policyName: name, validationActions: ['Deny'] };
      const binding = { apiVersion, kind: 'ValidatingAdmissionPolicyBinding', metadata: { name }, spec: bound };
      await timed(client!, { method: 'POST', path: bindingPath, body: JSON.stringify(binding) });
    }
    await allLookedAt();
  };
  /** What the controller that checks their types writes is no part of a create. */
  const allLookedAt = async (): Promise<void> => {
    for (let waitedMs = 0; waitedMs < lookedAtMsMax; waitedMs += lookAgainMs) {
      const { body } = await client!.request({ method: 'GET', path: policyPath, keepBody: true });
      if (body.split('"observedGeneration"').length > policies) return;
      await sleep(clock, lookAgainMs);
    }
    throw new Error(`The types of the policies are not checked after ${lookedAtMsMax} ms`);
  };
  const remove = async (): Promise<void> => {
    for (const path of [bindingPath, policyPath]) await timed(client!, { method: 'DELETE', path });
  };
  const create = (n: number) => ({ path: pods, body: podBody(`v${n}`, { paddingBytes: 0 }) });
  const { withIt, without } = await inTurns(stage, { add, remove, create });
  stage.say({ figure: 'a create of a pod', value: without.answer, unit: 'ms' });
  const added = withIt.answer - without.answer;
  stage.say({ figure: `${policies} policies add to it`, value: added, unit: 'ms', most: 0.3 });
  const cpu = withIt.cpu - without.cpu;
  stage.say({ figure: `${policies} policies add to its processor time`, value: cpu, unit: 'ms', most: 0.3 });
}
