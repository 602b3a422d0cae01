/** What a proxy does not pass on. */

/** Headers that concern one connection, in lower case. Source: RFC 9110 section 7.6.1, as Go's `ReverseProxy` has it. */
export const hopHeaders: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
