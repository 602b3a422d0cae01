/**
 * Messages by which the kernel is told of links, addresses and routes, as bytes of rtnetlink. Pure. Each is one request that is to be acknowledged.
 * Numbers are in the order of bytes of x86-64 and arm64. Source: rtnetlink(7), `linux/rtnetlink.h`, `linux/if_link.h`.
 */
import { Buffer } from 'node:buffer';
import { parseIp } from '#pkg/apimachinery/ip.ts';

const headerBytes = 16;
const types = { newLink: 16, deleteLink: 17, newAddress: 20, newRoute: 24, newQueue: 36, newFilter: 44 } as const;
const flags = { request: 1, acknowledge: 4, exclusive: 0x200, create: 0x400 } as const;
const families = { 4: 2, 16: 10 } as const;
const link = { name: 3, master: 10, info: 18, namespaceFd: 28 } as const;
const linkInfo = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const;
const vethPeer = 1;
const bridgePortIsolated = 33;
const isUp = 1;
const noDuplicateDetection = 2;
const mainTable = 254;
const bootProtocol = 3;
const scopes = { universe: 0, link: 253 } as const;
const unicast = 1;
/** Where what a link receives is looked at before anything else sees it. Source: `linux/pkt_sched.h`. */
const ingress = { handle: 0xffff0000, parent: 0xfffffff1 } as const;
/** Of a filter: first, for frames of all protocols (as a network has the number). */
const firstOfAll = (1 << 16) | 0x0300;
const traffic = { kind: 1, options: 2 } as const;
/** Source: `linux/pkt_cls.h`. */
const filter = { selector: 5, actions: 7 } as const;
/** Source: `linux/tc_act/tc_mirred.h`. */
const redirection = { parameters: 2, toSend: 1, stolen: 4 } as const;

/** A pair of links, one here and on a bridge, the other in the namespace that is open as a descriptor. The one here is down. */
export function addPair(
  name: string,
  peer: { readonly name: string; readonly namespaceFd: number; readonly bridge: number },
): Buffer {
  const other = Buffer.concat([
    linkHeader(),
    attribute(link.name, text(peer.name)),
    attribute(link.namespaceFd, number(peer.namespaceFd)),
  ]);
  return request(types.newLink, flags.create | flags.exclusive, [
    linkHeader(),
    attribute(link.name, text(name)),
    attribute(link.master, number(peer.bridge)),
    attribute(link.info, attribute(linkInfo.kind, text('veth')), attribute(linkInfo.data, attribute(vethPeer, other))),
  ]);
}

/** Frames of a port of a bridge go to none of its other isolated ports; then the port comes up. */
export function raiseIsolatedPort(name: string): Buffer {
  return request(types.newLink, 0, [
    linkHeader(isUp),
    attribute(link.name, text(name)),
    attribute(
      link.info,
      attribute(linkInfo.slaveKind, text('bridge')),
      attribute(linkInfo.slaveData, attribute(bridgePortIsolated, Buffer.from([1]))),
    ),
  ]);
}

/** Brings a link up. */
export function raiseLink(name: string): Buffer {
  return request(types.newLink, 0, [linkHeader(isUp), attribute(link.name, text(name))]);
}

/** Takes a link away, and the other of its pair. */
export function deleteLink(name: string): Buffer {
  return request(types.deleteLink, 0, [linkHeader(), attribute(link.name, text(name))]);
}

/** Gives a link an address that has no neighbours. */
export function addAddress(index: number, address: string): Buffer {
  const bytes = bytesOf(address);
  const header = Buffer.alloc(8);
  header.writeUInt8(familyOf(bytes), 0);
  header.writeUInt8(bytes.length * 8, 1);
  header.writeUInt8(bytes.length === 16 ? noDuplicateDetection : 0, 2);
  header.writeUInt32LE(index, 4);
  return request(types.newAddress, flags.create | flags.exclusive, [header, attribute(2, bytes), attribute(1, bytes)]);
}

/** Reaches an address by a link, and all that nothing else is said about by that address. */
export function addRoutes(index: number, gateway: string): readonly [near: Buffer, far: Buffer] {
  const bytes = bytesOf(gateway);
  const route = (toBits: number, scope: number, to: Buffer): Buffer => {
    const header = Buffer.alloc(12);
    header.set([familyOf(bytes), toBits, 0, 0, mainTable, bootProtocol, scope, unicast]);
    return request(types.newRoute, flags.create | flags.exclusive, [header, to, attribute(4, number(index))]);
  };
  const near = bytes.length === 4 ? scopes.link : scopes.universe;
  return [route(bytes.length * 8, near, attribute(1, bytes)), route(0, scopes.universe, attribute(5, bytes))];
}

/** Has what a link receives looked at by filters. */
export function addIngress(index: number): Buffer {
  return request(types.newQueue, flags.create | flags.exclusive, [
    trafficHeader(index, { ...ingress, info: 0 }),
    attribute(traffic.kind, text('ingress')),
  ]);
}

/** All that a link receives is sent by another in place of being received: a filter that everything matches. */
export function redirectAll(from: number, to: number): Buffer {
  // One key of zeros, which ends the search.
  const selector = Buffer.alloc(32);
  selector.set([1, 0, 1]);
  const action = Buffer.alloc(28);
  action.writeInt32LE(redirection.stolen, 8);
  action.writeInt32LE(redirection.toSend, 20);
  action.writeUInt32LE(to, 24);
  const redirect = attribute(
    1,
    attribute(traffic.kind, text('mirred')),
    attribute(traffic.options, attribute(redirection.parameters, action)),
  );
  return request(types.newFilter, flags.create | flags.exclusive, [
    trafficHeader(from, { handle: 0, parent: ingress.handle, info: firstOfAll }),
    attribute(traffic.kind, text('u32')),
    attribute(traffic.options, attribute(filter.selector, selector), attribute(filter.actions, redirect)),
  ]);
}

/** What the kernel says to the request of a number: 0 for done, else the number of an error; undefined where this is no answer to it. */
export function answerTo(sequence: number, message: Buffer): number | undefined {
  const error = 2;
  if (message.length < headerBytes + 4 || message.readUInt16LE(4) !== error) return undefined;
  return message.readUInt32LE(8) === sequence ? -message.readInt32LE(headerBytes) : undefined;
}

/** The same request under a number. */
export function numbered(message: Buffer, sequence: number): Buffer {
  message.writeUInt32LE(sequence, 8);
  return message;
}

function request(type: number, extra: number, parts: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(headerBytes);
  const message = Buffer.concat([header, ...parts]);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeUInt16LE(flags.request | flags.acknowledge | extra, 6);
  return message;
}

function linkHeader(state = 0): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(state, 8);
  header.writeUInt32LE(state, 12);
  return header;
}

function trafficHeader(
  index: number,
  { handle, parent, info }: { readonly handle: number; readonly parent: number; readonly info: number },
): Buffer {
  const header = Buffer.alloc(20);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(handle, 8);
  header.writeUInt32LE(parent, 12);
  header.writeUInt32LE(info, 16);
  return header;
}

/** Padded to whole words; the length says how much is not. */
function attribute(type: number, ...parts: readonly Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const whole = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  whole.writeUInt16LE(4 + value.length, 0);
  whole.writeUInt16LE(type, 2);
  whole.set(value, 4);
  return whole;
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`, 'latin1');
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function bytesOf(address: string): Buffer {
  const bytes = parseIp(address);
  if (bytes === undefined) throw new RangeError(`${address} is no IP address`);
  return Buffer.from(bytes);
}

function familyOf(bytes: Buffer): number {
  return bytes.length === 4 ? families[4] : families[16];
}
