/** Starts and ends the process of `ceiling-server.ts`, with keys and certificates of the kind that a cluster has. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serverNodeFlags } from '#cmd/common/node-flags.js';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import { clock } from './load.ts';
import type { Server } from './server.ts';

/** A server that gives the answers in `file`; keys go to `folder`, which is the caller's to remove. */
export async function startCeiling(folder: string, file: string): Promise<Server> {
  const kubeconfig = writeKeys(folder);
  const child = fork(join(import.meta.dirname, 'ceiling-server.ts'), [folder, file], {
    execArgv: [...serverNodeFlags()],
  });
  const ended = once(child, 'exit');
  const first = await Promise.race([once(child, 'message'), ended.then(() => undefined)]);
  if (first === undefined) throw new Error('Cannot start the server of the ceiling: it has ended');
  writeFileSync(kubeconfig.file, kubeconfig.text(Number(first[0])));
  return {
    kubeconfig: kubeconfig.file,
    pids: async () => [child.pid!],
    stop: async () => {
      // It may be halted, as the side that is not measured is.
      child.kill('SIGKILL');
      await ended;
    },
  };
}

interface KubeconfigPlan {
  readonly file: string;
  text(port: number): string;
}

function writeKeys(folder: string): KubeconfigPlan {
  const options = { nowMs: clock.nowMs(), validDays: 2 };
  const authority = issueAuthority({ ...options, subject: { commonName: 'ceiling-ca' } });
  const server = issueLeaf(authority, {
    ...options,
    subject: { commonName: 'kube-apiserver' },
    usage: 'server',
    hosts: ['127.0.0.1'],
  });
  const client = issueLeaf(authority, {
    ...options,
    subject: { commonName: 'kubernetes-admin', organizations: ['system:masters'] },
    usage: 'client',
  });
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text, { mode: 0o600 });
  write('ca.crt', authority.certificate);
  write('server.crt', server.certificate);
  write('server.key', server.key);
  write('client.crt', client.certificate);
  write('client.key', client.key);
  return {
    file: join(folder, 'ceiling.kubeconfig'),
    text: (port) =>
      JSON.stringify({
        'current-context': 'ceiling',
        contexts: [{ name: 'ceiling', context: { cluster: 'ceiling', user: 'ceiling' } }],
        clusters: [
          { name: 'ceiling', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority': 'ca.crt' } },
        ],
        users: [{ name: 'ceiling', user: { 'client-certificate': 'client.crt', 'client-key': 'client.key' } }],
      }),
  };
}
