/**
 * The answers to what is no request: a line, and the end of the connection, in the words of Go's server, as clients and probes know them.
 * Source: Go `net/http` `server.go` `conn.serve`, `badRequestError`, `statusError`.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { STATUS_CODES } from './node-http.ts';

const unsupported = '505 HTTP Version Not Supported: unsupported protocol version';

/** Why a request is refused before anybody looks at it; undefined when it is not. */
export function refusalOf(request: IncomingMessage): string | undefined {
  const { httpVersionMajor, rawHeaders } = request;
  if (httpVersionMajor !== 1) return httpVersionMajor < 1 ? '400 Bad Request: malformed HTTP version' : unsupported;
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts > 1 ? '400 Bad Request: too many Host headers' : undefined;
}

/** The line for what the parser of HTTP refuses. */
export function parseRefusal(error: Error & { readonly code?: string }): string {
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'HPE_INVALID_VERSION' ? 505 : 400;
  return status === 505 ? unsupported : `${status} ${STATUS_CODES[status]}`;
}

/** Writes a refusal as the last thing on a connection. */
export function writeRefusal(socket: Socket, line: string): void {
  socket.end(`HTTP/1.1 ${line}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${line}`);
}

/** What plain HTTP gets at a port of TLS. */
export function writePlainRefusal(raw: Socket): void {
  raw.end('HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n');
}
