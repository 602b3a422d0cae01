/**
 * Node's `node:http`, loaded in a tenth of the time: an import of it reads all that it exports, among that `WebSocket`, and with that Node loads the
 * whole of undici, which is 40 ms and 6 MB in each process and thread. Whoever needs more than its types takes them from here.
 */
import { getBuiltinModule } from 'node:process';

/** What is used of `node:http`. */
export const { createServer, get, request, ServerResponse, STATUS_CODES, validateHeaderValue } =
  getBuiltinModule('node:http');
