/** The session's cookie: out of reach of scripts, sent by this page alone. Source: RFC 6265bis. */

/** Ports are no part of a cookie's place, so that two dashboards of a machine would overwrite each other's without the port in the name. */
const nameOf = (port: number): string => `coxswain-session-${port}`;

/** The header that gives a browser the cookie, or with an undefined value takes it away. */
export function setCookie(port: number, value: string | undefined): string {
  const rest = 'Path=/; HttpOnly; SameSite=Strict';
  return value === undefined ? `${nameOf(port)}=; ${rest}; Max-Age=0` : `${nameOf(port)}=${value}; ${rest}`;
}

/** The value in a `Cookie` header. */
export function cookieOf(port: number, header: string | undefined): string | undefined {
  const begin = `${nameOf(port)}=`;
  const found = header?.split(';').find((part) => part.trim().startsWith(begin));
  return found?.trim().slice(begin.length);
}
