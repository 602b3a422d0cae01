/** What commands ask of an API server at paths that only some clusters have. */
import { connectionOf } from '#cmd/common/connection.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { neverAborted } from '#pkg/base/async.ts';
import { bodyObject } from '#pkg/client/body-object.ts';
import { type FlagTable, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder } from './folder.ts';
import { outputFlag } from './output.ts';
import { checkName, dataFolder, type World } from './world.ts';

/** The flags of such a command. */
export const pageFlags = {
  ...clusterFlags,
  kubeconfig: text({ help: 'Kubeconfig in place of the cluster’s own.', placeholder: 'file' }),
  output: outputFlag,
} satisfies FlagTable;

/** Asks one path. Throws `UserError` with what the server refuses. */
export type AskPage = (method: 'DELETE' | 'GET' | 'POST', path: string, body?: object) => Promise<unknown>;

/** Does `work` over a connection to the cluster of the flags. `absent` is what is said where it has no such page. */
export async function withPages<T>(
  world: World,
  values: { readonly name: string; readonly 'data-dir': string; readonly kubeconfig: string },
  { absent, work }: { readonly absent: string; work(ask: AskPage): Promise<T> },
): Promise<T> {
  checkName(values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const transport = await connectionOf(values.kubeconfig === '' ? folder.kubeconfig : values.kubeconfig);
  try {
    return await work(async (method, path, body) => {
      const response = await transport.request({
        method,
        path,
        query: '',
        headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: { kind: 'object', object: body } }),
        peer: { address: '' },
        signal: neverAborted,
      });
      if (response.status === 404 && response.headers['content-type']?.startsWith('application/json') !== true)
        throw new UserError(absent);
      const answer = await bodyObject(response);
      if (response.status < 300) return answer;
      throw new UserError(isObject(answer) ? `${answer.message}` : `the server answered ${response.status}`);
    });
  } finally {
    await transport.close();
  }
}
