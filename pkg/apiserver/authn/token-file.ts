/** Users by bearer token from a file of lines `token,user,uid,"group1,group2"`. Source: apiserver `authentication/token/tokenfile`. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { UserInfo } from '../user-info.ts';
import { authenticated } from './authenticator.ts';
import { ofApiAudiences, type TokenAuthenticator } from './bearer-tokens.ts';

/** Reads the text of a token file. Throws for a line with fewer than three columns. */
export function parseTokenFile(text: string): ReadonlyMap<string, UserInfo> {
  const users = new Map<string, UserInfo>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const match = /^([^,]*),([^,]*),([^,]*)(?:,(?:"([^"]*)"|(.*)))?$/.exec(line);
    const [, token = '', name = '', uid = '', quoted, bare] = match ?? [];
    if (token === '' || name === '') {
      throw new Error(`Cannot read line ${index + 1} of the token file as it is not token,user,uid,"groups"`);
    }
    const groups = (quoted ?? bare ?? '').split(',').filter((group) => group !== '');
    users.set(token, authenticated({ name, uid, groups }));
  }
  return users;
}

/** Knows the tokens of a file, for the audiences `own` of the API. */
export function tokenFileAuthenticator(
  users: ReadonlyMap<string, UserInfo>,
  own: readonly string[],
): TokenAuthenticator {
  const digests = [...users].map(([token, user]) => ({ digest: digestOf(token), user }));
  return {
    authenticateToken(token, wanted) {
      const digest = digestOf(token);
      const user = digests.find((candidate) => timingSafeEqual(candidate.digest, digest))?.user;
      return user && ofApiAudiences(user, { wanted, own });
    },
  };
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
