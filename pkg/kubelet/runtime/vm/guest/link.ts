/**
 * Connections between the threads of two nodes: TLS in which each side shows the certificate of its node. Invariant: nothing is taken from, or given to, who is no
 * node of the cluster, or another than it should be. What a connection is for its maker says first, in one message.
 */
import { X509Certificate } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';

/** A node's own certificate with its key, and the authority by which nodes know each other; all of it PEM. */
export interface LinkIdentity {
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
  /** Path of the network namespace in which the node's address is. Default: that of this process. */
  readonly namespacePath?: string;
}

/** Where somebody listens, and whose node that is. */
export interface LinkAddress {
  readonly host: string;
  readonly port: number;
  readonly node: string;
}

/** First message of a connection. */
export type Hello =
  | { readonly kind: 'machine'; readonly migration: string; readonly wire: WireState }
  | { readonly kind: 'frames'; readonly secret: string };

/** What of a machine's network moves with it: its addresses, and who relays for it. */
export interface WireState {
  readonly mac: string;
  /** What the guest knows as its address. */
  readonly address: string;
  readonly relays: readonly RelayPlace[];
}

/** Somebody whose connections a machine has. */
export interface RelayPlace extends LinkAddress {
  readonly slot: number;
  readonly secret: string;
}

/** A connection that has said what it is for, and of which node it is. */
export interface Accepted {
  readonly hello: Hello;
  readonly node: string;
  readonly socket: TLSSocket;
}

const nodePrefix = 'system:node:';
const helloBytesMax = 64 * 1024;
const helloMsMax = 5000;
const connectMsMax = 5000;

/** Listens at a free port of `host`; `accepted` is told of connections of nodes. */
export async function listenForNodes(
  identity: LinkIdentity,
  { host, clock, accepted }: { readonly host: string; readonly clock: Clock; accepted(connection: Accepted): void },
): Promise<{ readonly port: number; close(): void }> {
  const server = createServer({
    cert: identity.certificate,
    key: identity.key,
    ca: identity.authority,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
  });
  server.on('secureConnection', (socket) => {
    socket.on('error', () => undefined);
    // What is said here is short, and waited for.
    socket.setNoDelay(true);
    const node = nodeOf(new X509Certificate(socket.getPeerCertificate(true).raw));
    if (node === undefined) socket.destroy();
    else
      readHello(socket, clock).then(
        (hello) => accepted({ hello, node, socket }),
        () => socket.destroy(),
      );
  });
  server.on('tlsClientError', () => undefined);
  await listening(server, await placeOf(identity, host));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { port, close: () => server.close() };
}

/** Connects to the thread of another node and says what for. Rejects where that is not that node. */
export function connectToNode(
  identity: LinkIdentity,
  { address, hello, clock }: { readonly address: LinkAddress; readonly hello: Hello; readonly clock: Clock },
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: address.host,
      port: address.port,
      cert: identity.certificate,
      key: identity.key,
      ca: identity.authority,
      minVersion: 'TLSv1.3',
      // A node's certificate is one of a client, which this library does not take of a server: what it says is looked at below, before anything is sent.
      rejectUnauthorized: false,
    });
    const fail = (reason: string): void => {
      timer.cancel();
      socket.destroy();
      reject(new Error(`cannot reach the node "${address.node}" at ${address.host}:${address.port}: ${reason}`));
    };
    const timer = clock.setTimeout(() => fail('it does not answer'), connectMsMax);
    socket.on('error', (error) => fail(errorText(error)));
    socket.once('secureConnect', () => {
      const problem = peerProblem(new X509Certificate(socket.getPeerCertificate(true).raw), {
        authority: new X509Certificate(identity.authority),
        node: address.node,
        nowMs: clock.nowMs(),
      });
      if (problem !== undefined) {
        fail(problem);
        return;
      }
      timer.cancel();
      socket.setNoDelay(true);
      const text = Buffer.from(JSON.stringify(hello));
      const head = Buffer.alloc(4);
      head.writeUInt32BE(text.length);
      socket.write(Buffer.concat([head, text]));
      resolve(socket);
    });
  });
}

/** Why a certificate is not that of a node; undefined when it is. */
export function peerProblem(
  certificate: X509Certificate,
  { authority, node, nowMs }: { readonly authority: X509Certificate; readonly node: string; readonly nowMs: number },
): string | undefined {
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey))
    return 'its certificate is not of this cluster';
  if (nowMs < certificate.validFromDate.getTime() || nowMs > certificate.validToDate.getTime())
    return 'its certificate is not valid now';
  const shown = nodeOf(certificate);
  return shown === node ? undefined : `it is ${shown === undefined ? 'no node' : `the node "${shown}"`}`;
}

/** The name of the node that a certificate is of. */
function nodeOf({ subject }: X509Certificate): string | undefined {
  const lines = subject.split('\n');
  const name = lines.find((line) => line.startsWith(`CN=${nodePrefix}`))?.slice(`CN=${nodePrefix}`.length);
  return lines.includes('O=system:nodes') && name !== '' ? name : undefined;
}

/** The first message; what follows it stays with the socket, which is paused. */
function readHello(socket: TLSSocket, clock: Clock): Promise<Hello> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const timer = clock.setTimeout(() => reject(new Error('it says nothing')), helloMsMax);
    const read = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const length = bytes.length < 4 ? 0 : bytes.readUInt32BE(0);
      if (length > helloBytesMax) reject(new Error('its first message is too long'));
      if (bytes.length < 4 || bytes.length < 4 + length) return;
      timer.cancel();
      socket.off('data', read);
      socket.pause();
      socket.setNoDelay(true);
      if (bytes.length > 4 + length) socket.unshift(bytes.subarray(4 + length));
      try {
        resolve(helloOf(JSON.parse(bytes.toString('utf8', 4, 4 + length))));
      } catch (error) {
        reject(error);
      }
    };
    socket.on('data', read);
    socket.once('close', () => reject(new Error('it is gone')));
  });
}

function helloOf(value: Partial<Record<string, unknown>>): Hello {
  const { kind, migration, secret, wire } = value;
  if (kind === 'frames' && typeof secret === 'string') return { kind, secret };
  if (kind === 'machine' && typeof migration === 'string' && isWire(wire)) return { kind, migration, wire };
  throw new Error('its first message is none');
}

function isWire(value: unknown): value is WireState {
  if (typeof value !== 'object' || value === null || !('mac' in value) || !('relays' in value)) return false;
  const { mac, relays } = value;
  const isNamed = 'address' in value && typeof value.address === 'string' && isIPv4(value.address);
  const isRelayed = Array.isArray(relays) && relays.every(isRelay);
  return isNamed && typeof mac === 'string' && /^[0-9a-f]{12}$/.test(mac) && isRelayed;
}

function isRelay(value: Partial<Record<string, unknown>>): boolean {
  const { host, port, node, slot, secret } = value;
  const texts = [host, node, secret].every((text) => typeof text === 'string' && text.length < 256);
  return texts && Number.isInteger(port) && Number.isInteger(slot) && Number(slot) >= 0;
}

type ListenPlace = { readonly fd: number } | { readonly host: string; readonly port: number };

/** Any port of the address, or the descriptor of a socket that has one. */
async function placeOf({ namespacePath }: LinkIdentity, host: string): Promise<ListenPlace> {
  if (namespacePath === undefined) return { host, port: 0 };
  const { listenInside } = await import('#pkg/network/host/listen-inside.ts');
  return { fd: listenInside(namespacePath, { host, port: 0 }) };
}

function listening(server: Server, place: ListenPlace): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(place, () => {
      server.off('error', reject);
      server.on('error', () => undefined);
      resolve();
    });
  });
}
