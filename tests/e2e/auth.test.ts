/** Who may do what, as the real kubectl sees it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ListeningTestCluster, startTestCluster } from '#pkg/testing/cluster.ts';
import { binary, kubectlVersions } from './kubectl-binary.ts';
import { run } from './running-cluster.ts';

let cluster: ListeningTestCluster;

beforeAll(async () => {
  cluster = await startTestCluster({ listen: true, nodes: 1 });
});

afterAll(() => cluster.stop());

for (const version of kubectlVersions) {
  const kubectl = (...args: readonly string[]) =>
    run(binary(version, 'kubectl'), ['--kubeconfig', cluster.kubeconfigFile, ...args]);

  test(`kubectl 1.${version} auth whoami names the user of the certificate, of a token and of --as`, async () => {
    const who = async (...args: readonly string[]) => (await kubectl('auth', 'whoami', ...args)).stdout;
    expect(await who()).toMatch(/Username +kubernetes-admin\nGroups +\[kubeadm:cluster-admins system:authenticated\]/);
    expect(await who('--as', 'bob', '--as-group', 'devs')).toMatch(
      /Username +bob\nGroups +\[devs system:authenticated\]/,
    );
    const account = `robot-${version}`;
    await kubectl('create', 'serviceaccount', account);
    const { code, stdout: token } = await kubectl('create', 'token', account, '--duration', '10m');
    expect([code, token.split('.').length]).toEqual([0, 3]);
    const answer = await fetchAs(token.trim());
    expect(answer.status.userInfo.username).toBe(`system:serviceaccount:default:${account}`);
  });

  test(`kubectl 1.${version} auth can-i answers as the rules say, and lists them`, async () => {
    const view = `view-${version}`;
    const as = ['--as', `eve-${version}`];
    expect((await kubectl('auth', 'can-i', 'list', 'pods', ...as)).stdout.trim()).toBe('no');
    await kubectl('create', 'rolebinding', view, '--clusterrole=view', `--user=eve-${version}`);
    expect((await kubectl('auth', 'can-i', 'list', 'pods', ...as)).stdout.trim()).toBe('yes');
    expect((await kubectl('auth', 'can-i', 'delete', 'pods', ...as)).stdout.trim()).toBe('no');
    expect((await kubectl('auth', 'can-i', '*', '*')).stdout.trim()).toBe('yes');
    const { stdout } = await kubectl('auth', 'can-i', '--list', ...as);
    expect(stdout).toMatch(/^configmaps +\[\] +\[\] +\[get list watch\]$/m);
    expect(stdout).toMatch(/^selfsubjectreviews\.authentication\.k8s\.io +\[\] +\[\] +\[create\]$/m);
    expect(stdout).toMatch(/^ +\[\/healthz\] +\[\] +\[get\]$/m);
  });

  test(`kubectl 1.${version} says why somebody may not`, async () => {
    const { code, stderr } = await kubectl('get', 'secrets', '--as', 'mallory');
    expect([code, stderr.trim()]).toEqual([
      1,
      'Error from server (Forbidden): secrets is forbidden: User "mallory" cannot list resource "secrets" in API group "" in the namespace "default"',
    ]);
  });
}

/** Asks the API who the bearer of a token is. */
async function fetchAs(token: string): Promise<{ status: { userInfo: { username: string } } }> {
  const { request } = await import('node:https');
  const url = `${cluster.server}/apis/authentication.k8s.io/v1/selfsubjectreviews`;
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    // The certificate is of an authority that this process does not know; whose it is is not what is tested.
    const asked = request(url, { method: 'POST', headers, rejectUnauthorized: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => {
        text += chunk;
      });
      answer.on('end', () => resolve(JSON.parse(text)));
    });
    asked.on('error', reject);
    asked.end('{}');
  });
}
