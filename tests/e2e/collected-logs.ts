/** The collector of the addon `logs`, as who has a token of its account `reader` asks it. */
import { request } from 'node:http';
import { eventually, type RunningCluster } from './running-cluster.ts';

/** What it says. */
interface CollectedAnswer {
  /** 0 where there was no answer. */
  readonly status: number;
  readonly body: string;
}

/** The collector of a cluster that has the addon. */
export class CollectedLogs {
  readonly #address: string;
  readonly #token: string;

  private constructor(address: string, token: string) {
    this.#address = address;
    this.#token = token;
  }

  static async of(cluster: RunningCluster): Promise<CollectedLogs> {
    const place = ['-n', 'coxswain-logs'];
    const jsonpath = 'jsonpath=http://{.spec.clusterIP}:{.spec.ports[0].port}/logs';
    const address = await cluster.kubectl('35', ['get', 'service', 'logs', ...place, '-o', jsonpath]);
    return new CollectedLogs(address, (await cluster.kubectl('35', ['create', 'token', 'reader', ...place])).trim());
  }

  /** Asks with another token, or with none where it is empty. */
  ask(query: string, token = this.#token): Promise<CollectedAnswer> {
    const headers = token === '' ? {} : { authorization: `Bearer ${token}` };
    return new Promise((resolve) => {
      const sent = request(`${this.#address}?${query}`, { agent: false, headers }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      });
      sent.on('error', (error) => resolve({ status: 0, body: String(error) }));
      sent.end();
    });
  }

  /** What is found once as many lines are. */
  async found(query: string, lines = 1): Promise<string> {
    const { body } = await eventually(
      () => this.ask(query),
      ({ status, body: text }) => status === 200 && text.split('\n').length > lines,
    );
    return body;
  }
}
