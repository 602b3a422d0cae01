/** Logins as the files of Docker's client have them. Source: docker/cli `config/configfile` `decodeAuth`. */
import { Buffer } from 'node:buffer';
import type { RegistryLogin } from '../image-store.ts';

/** The login that an entry's `auth` stands for; undefined for what is none. */
export function loginOfAuth(auth: string): RegistryLogin | undefined {
  const text = Buffer.from(auth, 'base64').toString();
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
