/** Sockets whose paths are longer than an address of one may be: they are reached through their folder, which is opened. Source: unix(7), proc(5). */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

/** What an address has room for. */
const pathBytesMax = 107;
/** Of Linux, where Node has no name for it: a place only, which is neither read nor written. */
const placeOnly = 0o10000000;

/** A path of at most 107 bytes that leads to the socket until it is closed. */
export interface SocketPlace {
  readonly path: string;
  close(): Promise<void>;
}

/** The place of a socket, whose folder has to be there where its path is too long. */
export async function socketPlace(path: string): Promise<SocketPlace> {
  if (Buffer.byteLength(path) <= pathBytesMax) return { path, close: async () => {} };
  const folder = await open(dirname(path), placeOnly | constants.O_DIRECTORY);
  return { path: `/proc/self/fd/${folder.fd}/${basename(path)}`, close: () => folder.close() };
}
