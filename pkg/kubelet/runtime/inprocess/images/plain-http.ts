/**
 * Node's HTTP as the built-in programs use it. An `import` of `node:http` reads all that it exports, and with it makes what it offers of web
 * sockets, for which a thread loads an HTTP client of 4.5 MB; asked for as a value it makes only what is used.
 */

/** `node:http`. */
export const http = process.getBuiltinModule('node:http');
