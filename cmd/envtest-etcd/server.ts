/**
 * The `etcd` stand-in as a server: the health pages that those look at who start an etcd, and the claim by which one kube-apiserver stand-in has its
 * data.
 *
 * A claim is a request whose answer begins with one line, the folder of the data, its id and whether writes wait for the disk, and does not end while both processes live. So each
 * side knows at once when the other is gone, whatever ended it. Laws: one claim at a time; the id is made with the folder and stays in it; the
 * files in the folder are the claimant's alone. All else that is asked of an etcd is refused in words.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { claimPath } from '#cmd/common/etcd-claim.ts';
import { createServer } from '#pkg/serving/node-http.ts';

/** What the server tells of. */
export interface StandIn {
  readonly dataDir: string;
  /** Tells this folder from every other that was at its path. */
  readonly id: string;
  /** Whether writes are on the disk once they are acknowledged. */
  readonly waitsForDisk: boolean;
}

/** A server, and where it is to listen. */
interface ServerAt {
  readonly server: Server;
  readonly url: string;
}

const refusal =
  'this is the etcd stand-in of "coxswain envtest", which keeps the data of a kube-apiserver stand-in alone';

/** What is answered at once, by path. Source: etcd `server/etcdserver/api/etcdhttp`. */
const pages: Readonly<Record<string, string>> = {
  '/health': '{"health":"true","reason":""}',
  '/livez': 'ok\n',
  '/readyz': 'ok\n',
  '/version': '{"etcdserver":"coxswain-stand-in","etcdcluster":"coxswain-stand-in"}',
};

/** A server for each URL at which it is to listen, all with one claim between them. Listens nowhere yet. */
export function standInServers(standIn: StandIn, urls: readonly string[]): readonly ServerAt[] {
  const claim: Claim = { holder: undefined };
  return urls.map((url) => {
    const server = createServer((request, response) => answer(standIn, claim, { request, response }));
    // What gRPC begins with is no request of HTTP/1.1.
    server.on('clientError', (_, socket) => {
      if (socket.writable) socket.end(`HTTP/1.1 501 Not Implemented\r\nConnection: close\r\n\r\n${refusal}\n`);
    });
    return { server, url };
  });
}

interface Claim {
  holder: ServerResponse | undefined;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

function answer(standIn: StandIn, claim: Claim, { request, response }: Exchange): void {
  const [path = ''] = (request.url ?? '').split('?');
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (page !== undefined && (request.method === 'GET' || request.method === 'HEAD')) {
    response.writeHead(200, { 'content-type': page.startsWith('{') ? 'application/json' : 'text/plain' });
    response.end(page);
    return;
  }
  if (path !== claimPath) refuse(response, 501, refusal);
  else if (claim.holder !== undefined)
    refuse(response, 409, 'another kube-apiserver stand-in has the data of this etcd stand-in: end it first');
  else hold(standIn, claim, response);
}

/** The answer ends with the claim. */
function hold(standIn: StandIn, claim: Claim, response: ServerResponse): void {
  claim.holder = response;
  response.once('close', () => {
    claim.holder = undefined;
  });
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write(`${JSON.stringify(standIn)}\n`);
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' });
  response.end(`${text}\n`);
}
